//! Asks for names in a process of its own, and goes on without those that it does not give.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{self, Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use super::question::{Name, Part, Problem, Question, Source, Told};

/// Name of the hidden subcommand.
pub const NAMER: &str = "__name";

/// How long the report waits.
#[derive(Clone, Copy)]
struct Patience {
    /// For all names.
    whole: Duration,
    /// For those of one file.
    silence: Duration,
}

const PATIENCE: Patience = Patience {
    whole: Duration::from_secs(20),
    silence: Duration::from_secs(10),
};
/// Larger answers are not believed, bytes.
const MAX_ANSWERS: u64 = 256 << 20;

/// What was answered.
pub(super) struct Answered {
    /// Of each part's places, in their order; none for a part that could not be read.
    pub(super) names: Vec<Option<Vec<Name>>>,
    /// What is wrong with perf maps, by process, with the user that it runs as.
    pub(super) problems: BTreeMap<u32, (Problem, u32)>,
}

/// Asks about parts.
pub(super) fn ask_namer(parts: &[Part]) -> Answered {
    let program = || {
        let mut itself = Command::new("/proc/self/exe");
        itself.arg(NAMER);
        itself
    };
    ask_by(program, parts, PATIENCE)
}

fn ask_by(program: impl Fn() -> Command, parts: &[Part], patience: Patience) -> Answered {
    let deadline = Instant::now() + patience.whole;
    let mut answers = Answers::new(parts);
    while !answers.rest.is_empty() && Instant::now() < deadline {
        let mut process = match Namer::start(&mut program(), &answers.asked()) {
            Ok(process) => process,
            Err(error) => {
                log::warn!("cannot start a process to look up names: {error}");
                break;
            }
        };
        let is_all = process.told(deadline, patience.silence, |told| answers.take(told));
        if is_all || !answers.leave_begun() {
            break;
        }
        log::warn!("names of a program or library are missing: reading it crashes or stalls");
    }
    Answered {
        names: answers.names,
        problems: answers.problems,
    }
}

/// What is known so far. Nothing that is answered is believed but names, and which of some problems a
/// perf map has.
pub(super) struct Answers<'a> {
    parts: &'a [Part],
    /// Of each part.
    pub(super) names: Vec<Option<Vec<Name>>>,
    /// As of [`Answered`]: one at most for each process that was asked about.
    pub(super) problems: BTreeMap<u32, (Problem, u32)>,
    /// Numbers of the parts that are still to be asked about, which are told by their places here.
    rest: Vec<usize>,
    begun: HashSet<usize>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(parts: &'a [Part]) -> Self {
        Self {
            parts,
            names: vec![None; parts.len()],
            problems: BTreeMap::new(),
            rest: (0..parts.len()).collect(),
            begun: HashSet::new(),
        }
    }

    /// What is asked next.
    fn asked(&self) -> Vec<Part> {
        let asked = self.rest.iter().map(|&part| self.parts[part].clone());
        asked.collect()
    }

    pub(super) fn take(&mut self, told: Told) {
        match told {
            Told::Begun(parts) => self.begun.extend(parts),
            Told::Names(asked, answer) => {
                let part = self.rest.get(asked).copied();
                let fits = |part: &usize| self.parts[*part].places.len() == answer.len();
                if let Some(part) = part.filter(fits) {
                    self.names[part] = Some(answer);
                }
            }
            Told::Problem(asked, map, problem) => {
                if let Some(&part) = self.rest.get(asked) {
                    self.note(part, map, problem);
                }
            }
            Told::All => {}
        }
    }

    /// Takes note of what is wrong with one of a part's perf maps, if it has that one.
    fn note(&mut self, part: usize, map: usize, problem: Problem) {
        let Source::PerfMaps(maps) = &self.parts[part].source else {
            return;
        };
        if let Some(map) = maps.get(map) {
            self.problems.entry(map.pid).or_insert((problem, map.owner));
        }
    }

    /// Leaves out what was begun: the last of it stopped the process, and all before is answered.
    /// False if nothing was.
    pub(super) fn leave_begun(&mut self) -> bool {
        let begun = std::mem::take(&mut self.begun);
        for number in &begun {
            let part = self.rest.get(*number).copied();
            if let Some(part) = part.filter(|part| self.names[*part].is_none()) {
                self.note(part, 0, Problem::Stalled);
            }
        }
        let mut number = 0..;
        self.rest
            .retain(|_| number.next().is_none_or(|number| !begun.contains(&number)));
        !begun.is_empty()
    }
}

/// What is told, up to what is nothing of it.
pub(super) fn told_in(output: impl io::Read) -> impl Iterator<Item = Told> {
    let lines = BufReader::new(output.take(MAX_ANSWERS)).lines();
    let lines = lines.map_while(Result::ok);
    lines.map_while(|line| serde_json::from_str(&line).ok())
}

/// The process that is asked.
struct Namer {
    child: Child,
    lines: Receiver<Told>,
}

impl Namer {
    /// Starts it and asks.
    fn start(command: &mut Command, parts: &[Part]) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the report, which waits for it.
            .process_group(0)
            .spawn()?;
        let (send, lines) = mpsc::channel();
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let question = serde_json::to_vec(&Question {
            holder: process::id(),
            parts: Cow::Borrowed(parts),
        })?;
        // In threads of their own: it may never read, or never write.
        thread::spawn(move || input.map(|mut input| input.write_all(&question)));
        thread::spawn(move || {
            let Some(output) = output else { return };
            for told in told_in(output) {
                if send.send(told).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Hands on what it tells; whether that was all.
    fn told(&mut self, deadline: Instant, silence: Duration, mut take: impl FnMut(Told)) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(silence)) {
                Ok(Told::All) => return true,
                Ok(told) => take(told),
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Namer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::question::{HeldFile, HeldPerfMap, Place, Source};

    const SHORT: Patience = Patience {
        whole: Duration::from_secs(10),
        silence: Duration::from_millis(200),
    };

    fn parts(number: u64) -> Vec<Part> {
        let part = |at| Part {
            source: Source::File(HeldFile {
                descriptor: -1,
                inode: None,
            }),
            places: vec![Place {
                at,
                is_return: false,
            }],
        };
        (0..number).map(part).collect()
    }

    /// Names of parts by a script that is asked instead.
    fn functions(script: &str, number: u64) -> Vec<Option<String>> {
        let program = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            shell
        };
        let names = ask_by(program, &parts(number), SHORT);
        names
            .names
            .into_iter()
            .map(|names| names?.remove(0).function)
            .collect()
    }

    const NAME: &str = r#"{"function":"f","inlined":[],"caller":"Unknown"}"#;

    #[test]
    fn what_is_answered_before_a_crash_or_a_stall_counts() {
        for end in ["kill -9 $$", "sleep 60"] {
            let script = format!(
                "echo '{{\"Begun\":[0]}}'; echo '{{\"Names\":[0,[{NAME}]]}}'
                 echo '{{\"Begun\":[1]}}'; {end}"
            );
            // The third part is answered as the first one of the next process.
            let names = functions(&script, 3);
            assert_eq!(names, [Some("f".into()), None, Some("f".into())]);
        }
    }

    #[test]
    fn an_answer_that_is_none_ends_the_asking() {
        for script in [
            "exit 1",
            "echo garbage",
            "echo '{\"Names\":[7,[]]}'",
            "echo '{\"Names\":[0,[]]}'; echo '\"All\"'",
        ] {
            assert_eq!(functions(script, 2), [None, None], "{script}");
        }
    }

    #[test]
    fn what_is_wrong_with_perf_maps_is_told_once_a_process_and_only_of_those_asked_about() {
        let map = |pid| HeldPerfMap {
            pid,
            descriptor: -1,
            owner: 33,
        };
        let mut parts = parts(2);
        parts.push(Part {
            source: Source::PerfMaps(vec![map(42), map(7)]),
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
            answers.take(Told::Problem(part, map, problem));
        }
        let told = BTreeMap::from([(7, (Problem::Owner(1000), 33))]);
        assert_eq!(answers.problems, told);
        // One that it was about when it ended is a problem, too.
        answers.take(Told::Begun(vec![0, 2]));
        assert!(answers.leave_begun());
        assert_eq!(answers.problems.get(&42), Some(&(Problem::Stalled, 33)));
        assert_eq!(answers.problems.len(), 2);
    }

    #[test]
    fn nobody_to_ask_is_no_failure() {
        let names = ask_by(|| Command::new("/nonexistent"), &parts(1), SHORT);
        assert!(names.names[0].is_none());
    }
}
