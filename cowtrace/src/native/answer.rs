//! The process that reads foreign files. Their content can crash it, stall it or make it grow; then
//! names are missing, but not the report.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::MetadataExt as _,
};

use object::ReadCache;

use super::{
    file,
    packages::find_origins,
    perf_map,
    question::{
        AnswerLine, CodePlace, HeldFile, HeldPerfMap, Name, PartSource, Problem, Question,
        QuestionPart,
    },
    symbols::offsets_in,
};
use crate::memory::{bytes_to_end, page_bytes};

/// Largest file that is searched for symbols, bytes.
const MAX_BYTES: u64 = 512 << 20;

/// Answers a question of another process; each file is read once for all parts about it.
///
/// `asker` is the process that asks and holds the files. The question arrives from `input` as JSON,
/// and the answers go to `output` as lines of JSON.
pub fn answer_question(asker: u32, input: impl Read, output: impl Write) -> io::Result<()> {
    let question: Question<'_> = serde_json::from_reader(BufReader::new(input))?;
    if question.holder != asker {
        return Err(io::Error::other("who asks is not who holds the files"));
    }
    let mut lines = AnswerLines(output);
    for (file, parts) in same_files(&question) {
        let numbers = parts.iter().map(|(number, _)| *number);
        lines.tell(&AnswerLine::Begun(numbers.collect()))?;
        let places: Vec<CodePlace> = parts
            .iter()
            .flat_map(|(_, part)| part.places.iter().copied())
            .collect();
        let mut names = file::name_places(&file, &places)
            .unwrap_or_default()
            .into_iter();
        for (number, part) in parts {
            let of_part = part.places.iter().map(|_| names.next().unwrap_or_default());
            lines.tell(&AnswerLine::Names(number, of_part.collect()))?;
        }
    }
    for (number, part) in question.parts.iter().enumerate() {
        if !matches!(part.source, PartSource::File(_)) {
            lines.tell(&AnswerLine::Begun(vec![number]))?;
            answer_part(question.holder, number, part, &mut lines)?;
        }
    }
    lines.tell(&AnswerLine::All)
}

/// Answers one part; offsets in files were answered before, file by file.
fn answer_part(
    holder: u32,
    number: usize,
    part: &QuestionPart,
    lines: &mut AnswerLines<impl Write>,
) -> io::Result<()> {
    let numbers = match &part.source {
        PartSource::File(_) => return Ok(()),
        PartSource::PerfMaps(maps) => {
            let made = name_made_code(holder, maps, &part.places);
            for (map, problem) in made.problems {
                lines.tell(&AnswerLine::Problem(number, map, problem))?;
            }
            return lines.tell(&AnswerLine::Names(number, made.names));
        }
        PartSource::Packages(root, paths) => {
            let Ok(root) = file::hold_bytes(holder, *root) else {
                return Ok(());
            };
            return lines.tell(&AnswerLine::Origins(number, find_origins(&root, paths)));
        }
        PartSource::Data(held) => {
            data_ends(holder, *held, &part.places).unwrap_or_else(|| vec![None; part.places.len()])
        }
        PartSource::Symbols(held, names) => {
            symbol_offsets(holder, *held, names).unwrap_or_else(|| vec![None; names.len()])
        }
    };
    lines.tell(&AnswerLine::Numbers(number, numbers))
}

/// The end in memory of the data that begins at these offsets of a file; none if it cannot be read.
fn data_ends(holder: u32, held: HeldFile, places: &[CodePlace]) -> Option<Vec<Option<u64>>> {
    let (file, _) = open_with_identity(holder, held)?;
    // Only the file's list of segments is read.
    let cache = ReadCache::new(file);
    let elf = object::File::parse(&cache).ok()?;
    let end = |place: &CodePlace| bytes_to_end(&elf, place.at, page_bytes());
    Some(places.iter().map(end).collect())
}

/// The addresses of symbols with these names in a file; none if it cannot be read.
fn symbol_offsets(holder: u32, held: HeldFile, names: &[String]) -> Option<Vec<Option<u64>>> {
    let (file, _) = open_with_identity(holder, held)?;
    let length = file.metadata().ok()?.len();
    if length > MAX_BYTES {
        return None;
    }
    // Read as a whole: there are ten thousand names, and the trace waits.
    let mut bytes = Vec::with_capacity(usize::try_from(length).ok()?);
    file.take(length).read_to_end(&mut bytes).ok()?;
    let elf = object::File::parse(bytes.as_slice()).ok()?;
    Some(offsets_in(&elf, names))
}

/// Lines of JSON.
struct AnswerLines<W>(W);

impl<W: Write> AnswerLines<W> {
    fn tell(&mut self, told: &AnswerLine) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, told)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

/// Parts of a question with their numbers.
type FileParts<'a> = Vec<(usize, &'a QuestionPart)>;

/// The files that can be read, each once, with the parts about it.
fn same_files<'a>(question: &'a Question<'_>) -> Vec<(File, FileParts<'a>)> {
    let mut files: BTreeMap<(u64, u64), (File, FileParts<'a>)> = BTreeMap::new();
    for (number, part) in question.parts.iter().enumerate() {
        let PartSource::File(held) = part.source else {
            continue;
        };
        let Some((file, id)) = open_with_identity(question.holder, held) else {
            continue;
        };
        let same = files.entry(id);
        same.or_insert_with(|| (file, Vec::new()))
            .1
            .push((number, part));
    }
    files.into_values().collect()
}

/// A held file with its device and inode: a regular file, and the expected one.
fn open_with_identity(holder: u32, held: HeldFile) -> Option<(File, (u64, u64))> {
    let file = file::reopen_held(holder, held.descriptor)?;
    let told = file.metadata().ok()?;
    let is_it = held.inode.is_none_or(|inode| inode == told.ino());
    is_it.then(|| (file, (told.dev(), told.ino())))
}

/// What perf maps say about generated code.
struct Made {
    names: Vec<Name>,
    /// By the position of the perf map.
    problems: Vec<(usize, Problem)>,
}

/// Names of generated code, from the first perf map that has one.
fn name_made_code(holder: u32, maps: &[HeldPerfMap], places: &[CodePlace]) -> Made {
    let address = |place: &CodePlace| place.at.wrapping_sub(u64::from(place.is_return));
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
