//! The process that reads foreign files. Their content can crash it, stall it or make it grow; then
//! names are missing, but not the report.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek as _, Write},
    os::unix::fs::MetadataExt as _,
    rc::Rc,
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
/// and the answers go to `output` as lines of JSON. `once_open` is called when all held files are
/// open, before anything in them is read.
pub fn answer_question(
    asker: u32,
    input: impl Read,
    output: impl Write,
    once_open: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let question: Question<'_> = serde_json::from_reader(BufReader::new(input))?;
    if question.holder != asker {
        return Err(io::Error::other("who asks is not who holds the files"));
    }
    let mut lines = AnswerLines(output);
    let mut files = FilesOfAsker::of(question.holder);
    let mut opened = Vec::with_capacity(question.parts.len());
    for (number, part) in question.parts.iter().enumerate() {
        lines.tell(&AnswerLine::Opening(Some(number)))?;
        opened.push(files.open(&part.source));
    }
    lines.tell(&AnswerLine::Opening(None))?;
    once_open()?;
    let parts = question.parts.iter().zip(opened).enumerate();
    let (code, others): (Vec<_>, Vec<_>) =
        parts.partition(|(_, (part, _))| matches!(part.source, PartSource::File(_)));
    for (file, parts) in by_file(code) {
        let numbers = parts.iter().map(|(number, _)| *number);
        lines.tell(&AnswerLine::Begun(numbers.collect()))?;
        name_parts(&file, &parts, &mut lines)?;
    }
    for (number, (part, opened)) in others {
        lines.tell(&AnswerLine::Begun(vec![number]))?;
        answer_part(number, part, opened, &mut lines)?;
    }
    lines.tell(&AnswerLine::All)
}

/// Names the places of all parts about a file.
fn name_parts(
    file: &File,
    parts: &[(usize, &QuestionPart)],
    lines: &mut AnswerLines<impl Write>,
) -> io::Result<()> {
    let places: Vec<CodePlace> = parts
        .iter()
        .flat_map(|(_, part)| part.places.iter().copied())
        .collect();
    let mut names = file::name_places(file, &places)
        .unwrap_or_default()
        .into_iter();
    for (number, part) in parts {
        let of_part = part.places.iter().map(|_| names.next().unwrap_or_default());
        lines.tell(&AnswerLine::Names(*number, of_part.collect()))?;
    }
    Ok(())
}

/// Answers one part that asks for no names of code in a file.
fn answer_part(
    number: usize,
    part: &QuestionPart,
    opened: Opened,
    lines: &mut AnswerLines<impl Write>,
) -> io::Result<()> {
    let numbers = match (&part.source, opened) {
        (PartSource::PerfMaps(_), Opened::PerfMaps(maps)) => {
            let made = name_made_code(maps, &part.places);
            for (map, problem) in made.problems {
                lines.tell(&AnswerLine::Problem(number, map, problem))?;
            }
            return lines.tell(&AnswerLine::Names(number, made.names));
        }
        (PartSource::Packages(_, paths), Opened::Root(root)) => {
            return lines.tell(&AnswerLine::Origins(number, find_origins(&root, paths)));
        }
        (PartSource::Data(_), Opened::File(file, _)) => data_ends(&file, &part.places),
        (PartSource::Symbols(_, names), Opened::File(file, _)) => symbol_offsets(&file, names),
        _ => None,
    };
    match part.source.numbers(part.places.len()) {
        Some(count) => {
            let unknown = || vec![None; count];
            lines.tell(&AnswerLine::Numbers(
                number,
                numbers.unwrap_or_else(unknown),
            ))
        }
        None => Ok(()),
    }
}

/// What was opened for a part.
enum Opened {
    /// A file, with its device and inode.
    File(Rc<File>, FileIdentity),
    /// Perf maps, or why each is not open.
    PerfMaps(Vec<OpenedPerfMap>),
    /// A root folder.
    Root(File),
    /// It cannot be opened.
    Nothing,
}

type FileIdentity = (u64, u64);
type OpenedPerfMap = Result<Rc<File>, Problem>;

/// The files that another process holds. Each is open once, whichever parts are about it.
struct FilesOfAsker {
    holder: u32,
    files: BTreeMap<FileIdentity, Rc<File>>,
    /// By descriptor and the user that each must belong to.
    perf_maps: BTreeMap<(i32, u32), OpenedPerfMap>,
}

impl FilesOfAsker {
    fn of(holder: u32) -> Self {
        Self {
            holder,
            files: BTreeMap::new(),
            perf_maps: BTreeMap::new(),
        }
    }

    fn open(&mut self, source: &PartSource) -> Opened {
        match source {
            PartSource::File(held) | PartSource::Data(held) | PartSource::Symbols(held, _) => {
                self.open_file(*held)
            }
            PartSource::PerfMaps(maps) => {
                let opened = maps.iter().map(|map| self.open_perf_map(map));
                Opened::PerfMaps(opened.collect())
            }
            PartSource::Packages(root, _) => {
                let root = file::hold_bytes(self.holder, *root);
                root.map_or(Opened::Nothing, Opened::Root)
            }
        }
    }

    fn open_file(&mut self, held: HeldFile) -> Opened {
        let Some((file, identity)) = open_with_identity(self.holder, held) else {
            return Opened::Nothing;
        };
        let same = self.files.entry(identity);
        Opened::File(Rc::clone(same.or_insert_with(|| Rc::new(file))), identity)
    }

    fn open_perf_map(&mut self, map: &HeldPerfMap) -> OpenedPerfMap {
        let same = self.perf_maps.entry((map.descriptor, map.owner));
        let open = || perf_map::open_perf_map(self.holder, map).map(Rc::new);
        same.or_insert_with(open).clone()
    }
}

/// The end in memory of the data that begins at these offsets of a file; none if it cannot be read.
fn data_ends(file: &File, places: &[CodePlace]) -> Option<Vec<Option<u64>>> {
    // Only the file's list of segments is read.
    let cache = ReadCache::new(file);
    let elf = object::File::parse(&cache).ok()?;
    let end = |place: &CodePlace| bytes_to_end(&elf, place.at, page_bytes());
    Some(places.iter().map(end).collect())
}

/// The addresses of symbols with these names in a file; none if it cannot be read.
fn symbol_offsets(mut file: &File, names: &[String]) -> Option<Vec<Option<u64>>> {
    let length = file.metadata().ok()?.len();
    if length > MAX_BYTES {
        return None;
    }
    // Read as a whole: there are ten thousand names, and the trace waits.
    file.rewind().ok()?;
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

/// Parts about code, by the file that it is in. Without those whose file is not open.
fn by_file(parts: Vec<(usize, (&QuestionPart, Opened))>) -> Vec<(Rc<File>, FileParts<'_>)> {
    let mut files: BTreeMap<FileIdentity, (Rc<File>, FileParts<'_>)> = BTreeMap::new();
    for (number, (part, opened)) in parts {
        let Opened::File(file, identity) = opened else {
            continue;
        };
        let same = files.entry(identity);
        same.or_insert_with(|| (file, Vec::new()))
            .1
            .push((number, part));
    }
    files.into_values().collect()
}

/// A held file with its device and inode: a regular file, and the expected one.
fn open_with_identity(holder: u32, held: HeldFile) -> Option<(File, FileIdentity)> {
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
fn name_made_code(maps: Vec<OpenedPerfMap>, places: &[CodePlace]) -> Made {
    let address = |place: &CodePlace| place.at.wrapping_sub(u64::from(place.is_return));
    let addresses: Vec<u64> = places.iter().map(address).collect();
    let mut names = vec![Name::default(); places.len()];
    let mut problems = Vec::new();
    for (number, map) in maps.into_iter().enumerate() {
        let said = map.and_then(|file| perf_map::read_perf_map(&file, &addresses));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::fd::AsRawFd as _, process};

    #[test]
    fn nothing_is_read_before_everything_is_open() {
        let file = File::open("/proc/self/exe").unwrap();
        let held = HeldFile {
            descriptor: file.as_raw_fd(),
            inode: None,
        };
        let part = |source| QuestionPart {
            source,
            places: Vec::new(),
        };
        let parts = vec![
            part(PartSource::File(held)),
            part(PartSource::Symbols(held, vec!["main".into()])),
        ];
        let question = Question {
            holder: process::id(),
            parts: parts.into(),
        };
        let question = serde_json::to_vec(&question).unwrap();
        let mut lines = Vec::new();
        let refused = || Err(io::Error::other("refused"));
        let told = answer_question(process::id(), question.as_slice(), &mut lines, refused);
        assert_eq!(told.unwrap_err().to_string(), "refused");
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(
            lines,
            "{\"Opening\":0}\n{\"Opening\":1}\n{\"Opening\":null}\n"
        );
    }
}
