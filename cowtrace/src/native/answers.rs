//! The naming process's answers. It may be compromised, so only answers to what was asked are
//! accepted.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, BufRead as _, BufReader},
};

use super::question::{AnswerLine, Name, Origins, PartSource, Problem, QuestionPart};

/// Largest answer that is accepted, bytes.
const MAX_ANSWERS: u64 = 256 << 20;

/// The accepted answers.
pub(super) struct Answered {
    /// Per part, the names of its places, in order; none for a part that could not be read.
    pub(super) names: Vec<Option<Vec<Name>>>,
    /// Per part that asks for numbers, the numbers in order; none for a part without an answer.
    pub(super) numbers: Vec<Option<Vec<Option<u64>>>>,
    /// Per part that asks for packages, where its files are from; none for a part without an answer.
    pub(super) origins: Vec<Option<Origins>>,
    /// Problems of perf maps, by process, with the user that the process runs as.
    pub(super) problems: BTreeMap<u32, (Problem, u32)>,
}

/// The answers so far. Only names, numbers and known kinds of perf-map problems are accepted.
pub(super) struct Answers<'a> {
    parts: &'a [QuestionPart],
    /// Per part.
    pub(super) names: Vec<Option<Vec<Name>>>,
    /// As in [`Answered`].
    pub(super) numbers: Vec<Option<Vec<Option<u64>>>>,
    /// As in [`Answered`].
    pub(super) origins: Vec<Option<Origins>>,
    /// As in [`Answered`]: at most one per process.
    pub(super) problems: BTreeMap<u32, (Problem, u32)>,
    /// Numbers of the parts without an answer yet. The naming process identifies each by its
    /// position in this list.
    pub(super) rest: Vec<usize>,
    begun: HashSet<usize>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(parts: &'a [QuestionPart]) -> Self {
        Self {
            parts,
            names: vec![None; parts.len()],
            numbers: vec![None; parts.len()],
            origins: vec![None; parts.len()],
            problems: BTreeMap::new(),
            rest: (0..parts.len()).collect(),
            begun: HashSet::new(),
        }
    }

    pub(super) fn into_answered(self) -> Answered {
        Answered {
            names: self.names,
            numbers: self.numbers,
            origins: self.origins,
            problems: self.problems,
        }
    }

    /// The next question.
    pub(super) fn asked(&self) -> Vec<QuestionPart> {
        let asked = self.rest.iter().map(|&part| self.parts[part].clone());
        asked.collect()
    }

    pub(super) fn take(&mut self, told: AnswerLine) {
        match told {
            // What was opened before it did not stop the process.
            AnswerLine::Opening(part) => self.begun = part.into_iter().collect(),
            AnswerLine::Begun(parts) => self.begun.extend(parts),
            AnswerLine::Names(asked, answer) => {
                let part = self.rest.get(asked).copied();
                let fits = |part: &usize| self.parts[*part].places.len() == answer.len();
                if let Some(part) = part.filter(fits) {
                    self.names[part] = Some(answer);
                }
            }
            AnswerLine::Numbers(asked, answer) => {
                let part = self.rest.get(asked).copied();
                let wanted = |part: &QuestionPart| part.source.numbers(part.places.len());
                let fits = |part: &usize| wanted(&self.parts[*part]) == Some(answer.len());
                if let Some(part) = part.filter(fits) {
                    self.numbers[part] = Some(answer);
                }
            }
            AnswerLine::Origins(asked, answer) => {
                let part = self.rest.get(asked).copied();
                let fits = |part: &usize| match &self.parts[*part].source {
                    PartSource::Packages(_, paths) => paths.len() == answer.packages.len(),
                    _ => false,
                };
                if let Some(part) = part.filter(fits) {
                    self.origins[part] = Some(answer.checked());
                }
            }
            AnswerLine::Problem(asked, map, problem) => {
                if let Some(&part) = self.rest.get(asked) {
                    self.note(part, map, problem);
                }
            }
            AnswerLine::All => {}
        }
    }

    /// Records a problem of one of a part's perf maps, if the part has that map.
    fn note(&mut self, part: usize, map: usize, problem: Problem) {
        let PartSource::PerfMaps(maps) = &self.parts[part].source else {
            return;
        };
        if let Some(map) = maps.get(map) {
            self.problems.entry(map.pid).or_insert((problem, map.owner));
        }
    }

    fn is_answered(&self, part: usize) -> bool {
        self.names[part].is_some() || self.numbers[part].is_some() || self.origins[part].is_some()
    }

    /// Skips the parts that were begun: the last of them stopped the process, and those before it
    /// have answers. False if none was begun.
    pub(super) fn leave_begun(&mut self) -> bool {
        let begun = std::mem::take(&mut self.begun);
        for number in &begun {
            let part = self.rest.get(*number).copied();
            if let Some(part) = part.filter(|part| !self.is_answered(*part)) {
                self.note(part, 0, Problem::Stalled);
            }
        }
        let mut number = 0..;
        self.rest
            .retain(|_| number.next().is_none_or(|number| !begun.contains(&number)));
        !begun.is_empty()
    }
}

/// The lines of an answer, up to the first invalid one.
pub(super) fn told_in(output: impl io::Read) -> impl Iterator<Item = AnswerLine> {
    let lines = BufReader::new(output.take(MAX_ANSWERS)).lines();
    let lines = lines.map_while(Result::ok);
    lines.map_while(|line| serde_json::from_str(&line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::question::{CodePlace, HeldFile, HeldPerfMap};

    #[test]
    fn what_is_wrong_with_perf_maps_is_told_once_a_process_and_only_of_those_asked_about() {
        let map = |pid| HeldPerfMap {
            pid,
            descriptor: -1,
            owner: 33,
        };
        let held = HeldFile {
            descriptor: -1,
            inode: None,
        };
        let place = CodePlace {
            at: 0,
            is_return: false,
        };
        let part = QuestionPart {
            source: PartSource::File(held),
            places: vec![place],
        };
        let mut parts = vec![part.clone(), part];
        parts.push(QuestionPart {
            source: PartSource::PerfMaps(vec![map(42), map(7)]),
            ..parts[0].clone()
        });
        let mut answers = Answers::new(&parts);
        for (part, map, problem) in [
            (2, 1, Problem::Owner(1000)),
            (2, 1, Problem::Link),
            // Nobody asked about these.
            (2, 2, Problem::Link),
            (0, 0, Problem::Link),
            (9, 0, Problem::Link),
        ] {
            answers.take(AnswerLine::Problem(part, map, problem));
        }
        let told = BTreeMap::from([(7, (Problem::Owner(1000), 33))]);
        assert_eq!(answers.problems, told);
        // Nor is what was open by then left out when the process stops at another file.
        for part in [Some(0), Some(1), None] {
            answers.take(AnswerLine::Opening(part));
        }
        assert!(!answers.leave_begun());
        // A perf map that was being read when the process stopped is a problem, too.
        answers.take(AnswerLine::Begun(vec![0, 2]));
        assert!(answers.leave_begun());
        assert_eq!(answers.problems.get(&42), Some(&(Problem::Stalled, 33)));
        assert_eq!(answers.problems.len(), 2);
    }
}
