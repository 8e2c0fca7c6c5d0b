//! The process that reads foreign files: what is in them can crash it, stall it or make it grow, and
//! costs names then, not the report.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::MetadataExt as _,
};

use super::{
    file, perf_map,
    question::{HeldFile, HeldPerfMap, Name, Part, Place, Problem, Question, Source, Told},
};

/// Answers a question of a process: each file is read once, for all that is asked of it.
///
/// `asker` is the process that asks: no other can hold the files. The question comes from `input`, in
/// JSON, and the answers go to `output`, in lines of JSON.
pub fn answer_question(asker: u32, input: impl Read, output: impl Write) -> io::Result<()> {
    let question: Question<'_> = serde_json::from_reader(BufReader::new(input))?;
    if question.holder != asker {
        return Err(io::Error::other("who asks is not who holds the files"));
    }
    let mut lines = Lines(output);
    for (file, parts) in same_files(&question) {
        let numbers = parts.iter().map(|(number, _)| *number);
        lines.tell(&Told::Begun(numbers.collect()))?;
        let places: Vec<Place> = parts
            .iter()
            .flat_map(|(_, part)| part.places.iter().copied())
            .collect();
        let mut names = file::name_places(&file, &places)
            .unwrap_or_default()
            .into_iter();
        for (number, part) in parts {
            let of_part = part.places.iter().map(|_| names.next().unwrap_or_default());
            lines.tell(&Told::Names(number, of_part.collect()))?;
        }
    }
    for (number, part) in question.parts.iter().enumerate() {
        if let Source::PerfMaps(maps) = &part.source {
            lines.tell(&Told::Begun(vec![number]))?;
            let made = name_made_code(question.holder, maps, &part.places);
            for (map, problem) in made.problems {
                lines.tell(&Told::Problem(number, map, problem))?;
            }
            lines.tell(&Told::Names(number, made.names))?;
        }
    }
    lines.tell(&Told::All)
}

/// Lines of JSON.
struct Lines<W>(W);

impl<W: Write> Lines<W> {
    fn tell(&mut self, told: &Told) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, told)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

/// Parts of a question with their numbers.
type Parts<'a> = Vec<(usize, &'a Part)>;

/// The files that can be read, each once, with the parts that are about it.
fn same_files<'a>(question: &'a Question<'_>) -> Vec<(File, Parts<'a>)> {
    let mut files: BTreeMap<(u64, u64), (File, Parts<'a>)> = BTreeMap::new();
    for (number, part) in question.parts.iter().enumerate() {
        let Source::File(HeldFile { descriptor, inode }) = part.source else {
            continue;
        };
        let Some(file) = file::reopen_held(question.holder, descriptor) else {
            continue;
        };
        let Ok(told) = file.metadata() else { continue };
        if inode.is_some_and(|inode| inode != told.ino()) {
            continue;
        }
        let same = files.entry((told.dev(), told.ino()));
        same.or_insert_with(|| (file, Vec::new()))
            .1
            .push((number, part));
    }
    files.into_values().collect()
}

/// What is known of code that processes made.
struct Made {
    names: Vec<Name>,
    /// By the place of the perf map.
    problems: Vec<(usize, Problem)>,
}

/// Names of code that processes made, by the first that says anything of it.
fn name_made_code(holder: u32, maps: &[HeldPerfMap], places: &[Place]) -> Made {
    let address = |place: &Place| place.at.wrapping_sub(u64::from(place.is_return));
    let addresses: Vec<u64> = places.iter().map(address).collect();
    let mut names = vec![Name::default(); places.len()];
    let mut problems = Vec::new();
    for (number, map) in maps.iter().enumerate() {
        let said = perf_map::open_perf_map(holder, map)
            .and_then(|file| perf_map::read_perf_map(&file, &addresses));
        let said = match said {
            Ok(said) => said,
            Err(problem) => {
                problems.push((number, problem));
                continue;
            }
        };
        problems.extend(said.problem.map(|problem| (number, problem)));
        for (name, found) in names.iter_mut().zip(said.names) {
            let found = || found.map(|found| file::shorten_name(&found));
            name.function = name.function.take().or_else(found);
        }
    }
    Made { names, problems }
}
