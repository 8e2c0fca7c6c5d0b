//! Looks up, during the trace, the addresses of symbols by name in programs and libraries.
//!
//! Each file is read once, in a separate process, while the trace waits. A file that crashes it or
//! gets no answer is not read again, and after a few of these no file is read.

use std::{collections::HashMap, fs::File, os::fd::AsRawFd as _, path::Path};

use super::{
    asking::{self, NameReader, Patience},
    question::{HeldFile, PartSource, QuestionPart},
};
use crate::{
    memory::{self, FileId},
    run::Mapping,
};

/// Most files whose answers are kept.
const MAX_FILES: usize = 256;
/// Failures after which no file is read any more: each may have cost five seconds.
const MAX_FAILURES: u32 = 4;

/// The answers so far.
#[derive(Default)]
pub(crate) struct Exports {
    reader: NameReader,
    known: HashMap<(FileId, String), ExportOffsets>,
    failures: u32,
}

/// Offsets of the symbols, in the order of their names, from where the file's beginning is mapped.
type ExportOffsets = Vec<Option<u64>>;

impl Exports {
    /// Answers that this reader gives.
    pub(crate) fn read_by(reader: NameReader) -> Self {
        Self {
            reader,
            ..Self::default()
        }
    }

    /// Addresses of symbols in a file that a process has mapped from its beginning; none if it
    /// cannot be read. All callers want the same names, so answers are kept per file.
    pub(crate) fn addresses(
        &mut self,
        proc_root: &Path,
        pid: u32,
        (mapping, file): (&Mapping, FileId),
        names: &[&str],
    ) -> Option<Vec<Option<u64>>> {
        let key = (file, mapping.name.clone());
        if !self.known.contains_key(&key) {
            let held = hold_exporting_file(proc_root, pid, mapping, file)?;
            let offsets = self.ask(&held, names);
            let offsets = offsets.unwrap_or_else(|| vec![None; names.len()]);
            if self.known.len() >= MAX_FILES {
                self.known.clear();
            }
            self.known.insert(key.clone(), offsets);
        }
        let address = |offset: &Option<u64>| mapping.start.checked_add((*offset)?);
        Some(self.known.get(&key)?.iter().map(address).collect())
    }

    /// Forgets a file's answers: another file may have its inode number by now.
    pub(crate) fn forget(&mut self, (mapping, file): (&Mapping, FileId)) {
        self.known.remove(&(file, mapping.name.clone()));
    }

    /// Asks about a file; none if it cannot be opened, crashes the reader, or takes too long.
    fn ask(
        &mut self,
        (held, inode): &(File, Option<u64>),
        names: &[&str],
    ) -> Option<ExportOffsets> {
        if self.failures >= MAX_FAILURES {
            return None;
        }
        let part = QuestionPart {
            source: PartSource::Symbols(
                HeldFile {
                    descriptor: held.as_raw_fd(),
                    inode: *inode,
                },
                names.iter().map(|name| (*name).to_owned()).collect(),
            ),
            places: Vec::new(),
        };
        let mut answered = asking::ask_namer(self.reader, &[part], Patience::DURING_TRACE);
        let offsets = answered.numbers.pop().flatten();
        if offsets.is_none() {
            self.failures += 1;
            if self.failures == MAX_FAILURES {
                log::warn!(
                    "no more interpreters are looked for: {MAX_FAILURES} files gave no answer"
                );
            }
        }
        offsets
    }
}

/// The file as the process has it mapped; otherwise by name in the process's own root, because it
/// may run in a container.
fn hold_exporting_file(
    proc_root: &Path,
    pid: u32,
    mapping: &Mapping,
    id: FileId,
) -> Option<(File, Option<u64>)> {
    let (start, end) = (mapping.start, mapping.end);
    if let Some(file) = memory::hold_mapped(proc_root, pid, start, end) {
        return Some((file, None));
    }
    let name = mapping.name.strip_suffix(" (deleted)");
    let name = name.unwrap_or(&mapping.name);
    let file = memory::hold_named(proc_root, Some(pid), name)?;
    Some((file, Some(id.inode)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{memory::FileId, run::Kind, scratch::Scratch};
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::{fs, os::unix::fs::MetadataExt as _};

    /// A function that this program exports for the test to find.
    const NAMES: [&str; 2] = ["main", "there_is_no_such_function"];

    fn own() -> (Mapping, FileId) {
        let text = memory::read_layout_text(Path::new("/proc"), std::process::id()).unwrap();
        let program = fs::read_link("/proc/self/exe").unwrap();
        let mapped = memory::read_mapped_files(&text).unwrap();
        let mut first = mapped.into_iter().filter(|(it, _)| it.offset == 0);
        let (mapping, file) = first
            .find(|(it, _)| Path::new(&it.name) == program)
            .unwrap();
        (mapping, file.unwrap())
    }

    #[test]
    fn a_symbol_is_found_where_its_file_is_mapped() {
        let (mapping, file) = own();
        let mut exports = Exports::read_by(NameReader::Here);
        let pid = std::process::id();
        let mut find = |mapping: &Mapping| {
            let file = (mapping, file);
            exports.addresses(Path::new("/proc"), pid, file, &NAMES)
        };
        let found = find(&mapping).unwrap();
        assert!((mapping.start..).contains(&found[0].unwrap()));
        assert_eq!(found[1], None);
        // The file is not read again for another process that has it mapped elsewhere.
        let moved = Mapping {
            start: mapping.start + 0x1000,
            end: mapping.start + 0x2000,
            ..mapping
        };
        assert_eq!(find(&moved).unwrap()[0], found[0].map(|at| at + 0x1000));
    }

    #[test]
    fn nothing_but_the_regular_file_that_is_mapped_is_read() {
        let scratch = Scratch::new("exports");
        fs::create_dir_all(scratch.path("7/root")).unwrap();
        let mapping = |name: &str| Mapping {
            name: format!("/{name}"),
            kind: Kind::File,
            ..own().0
        };
        let find = |name: &str, inode: u64| {
            let mut exports = Exports::read_by(NameReader::Here);
            let file = FileId {
                device: (0, 0),
                inode,
            };
            let mapping = mapping(name);
            let found = exports.addresses(scratch.folder(), 7, (&mapping, file), &NAMES);
            found.map(|found| found[0].is_some())
        };
        assert_eq!(find("none", 1), None);
        let python = scratch.path("7/root/python");
        fs::copy("/proc/self/exe", &python).unwrap();
        let inode = fs::metadata(&python).unwrap().ino();
        assert_eq!(find("python", inode), Some(true));
        assert_eq!(find("python", inode + 1), Some(false));
        fs::write(&python, &fs::read("/proc/self/exe").unwrap()[..100]).unwrap();
        assert_eq!(find("python", inode), Some(false));
        fs::remove_file(&python).unwrap();
        // Opening it would wait for a writer.
        mkfifo(&python, Mode::S_IRWXU).unwrap();
        let inode = fs::metadata(&python).unwrap().ino();
        assert_eq!(find("python", inode), Some(false));
        fs::remove_file(&python).unwrap();
        // By a link, which is resolved within that root.
        std::os::unix::fs::symlink("/proc/self/exe", &python).unwrap();
        assert_eq!(find("python", inode), None);
    }

    #[test]
    fn files_that_fail_are_few() {
        let (mapping, file) = own();
        let mut exports = Exports {
            failures: MAX_FAILURES,
            ..Exports::read_by(NameReader::Here)
        };
        let file = (&mapping, file);
        let pid = std::process::id();
        let found = exports.addresses(Path::new("/proc"), pid, file, &NAMES);
        assert_eq!(found, Some(vec![None; 2]), "it is not read");
    }
}
