//! The code of a program and its libraries: in which mapping an address lies, and the file that
//! names it.

use std::{collections::HashMap, fs, path::Path};

use super::held::{HeldFiles, Holding};
use crate::{
    memory::{self, FileId},
    run::Mapping,
};

/// The mappings of a program.
#[derive(Default)]
pub(crate) struct ProgramCode {
    mappings: Vec<Mapped>,
    /// Held files, by their identity in maps.
    files: HashMap<(FileId, String), Holding>,
    program: Option<ProgramFile>,
}

/// The program's file, and the name by which it was started.
struct ProgramFile {
    file: String,
    name: String,
}

struct Mapped {
    mapping: Mapping,
    file: Option<FileId>,
}

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Located<'a> {
    /// In a program or a library.
    InFile(&'a Mapping, Holding),
    /// In code that the process generated.
    Made(&'a Mapping),
    /// In code without names: the kernel's own.
    Special(&'a Mapping),
}

impl<'a> Located<'a> {
    pub(super) fn mapping(&self) -> &'a Mapping {
        match self {
            Self::InFile(mapping, _) | Self::Made(mapping) | Self::Special(mapping) => mapping,
        }
    }
}

impl Mapped {
    /// Whether it may contain code or an interpreter. A process with very many mappings has mostly
    /// plain memory.
    fn may_name(&self) -> bool {
        self.mapping.perms.contains('x') || self.mapping.name.starts_with('/')
    }
}

impl ProgramCode {
    /// Reads them from the first process that can be read; none if the trace is to stop.
    pub(crate) fn read(proc_root: &Path, pids: &[u32], is_over: impl Fn() -> bool) -> Self {
        let read = |pid: &u32| {
            let text = memory::read_layout_text(proc_root, *pid).ok()?;
            // For tens of thousands of mappings, each of the two steps takes 20 ms.
            let text = Some(text).filter(|_| !is_over())?;
            memory::read_mapped_files(&text).ok()
        };
        let mut pids_left = pids.iter().take_while(|_| !is_over());
        let mapped = pids_left.find_map(read).unwrap_or_default();
        let mut mappings: Vec<Mapped> = mapped
            .into_iter()
            .map(|(mapping, file)| Mapped { mapping, file })
            .collect();
        // Already in order, unless the process changed them meanwhile.
        mappings.sort_by_key(|mapped| mapped.mapping.start);
        Self {
            mappings,
            files: HashMap::new(),
            program: pids.iter().find_map(|&pid| ProgramFile::of(proc_root, pid)),
        }
    }

    /// The name of a mapped file in reports.
    pub(super) fn module(&self, mapping: &Mapping) -> String {
        match &self.program {
            Some(program) if program.file == mapping.name => program.name.clone(),
            _ => base_name(&mapping.name).to_owned(),
        }
    }

    pub(crate) fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter().map(|mapped| &mapped.mapping)
    }

    /// The mappings of files.
    pub(crate) fn mapped_files(&self) -> impl Iterator<Item = (&Mapping, FileId)> {
        let files = self.mappings.iter();
        files.filter_map(|mapped| Some((&mapped.mapping, mapped.file?)))
    }

    /// Adds newer mappings; older ones stay where no newer one overlaps them. Both lists are in
    /// order, so each mapping is looked at once: a process may have 65,530 (`vm.max_map_count`) and
    /// more.
    pub(crate) fn add(&mut self, newer: Self) {
        let mut next = newer.mappings().peekable();
        self.mappings.retain(|Mapped { mapping: old, .. }| {
            while next.next_if(|new| new.end <= old.start).is_some() {}
            next.peek().is_none_or(|new| old.end <= new.start)
        });
        drop(next);
        let named = newer.mappings.into_iter().filter(Mapped::may_name);
        self.mappings.extend(named);
        // Two sorted runs, which the sort merges.
        self.mappings.sort_by_key(|mapped| mapped.mapping.start);
        self.program = newer.program.or(self.program.take());
    }

    /// Whether an address is known to lie in code.
    pub(crate) fn has(&self, address: u64) -> bool {
        self.around(address).is_some()
    }

    /// Whether an address is in the code of a file: that stays as it is.
    pub(crate) fn is_in_file(&self, address: u64) -> bool {
        matches!(self.locate(address), Some(Located::InFile(..)))
    }

    /// Holds the file that will name an address; true if the address is in code that the process
    /// generated, whose names differ in other processes.
    pub(crate) fn hold(
        &mut self,
        address: u64,
        proc_root: &Path,
        pids: &[u32],
        held: &mut HeldFiles,
    ) -> bool {
        match self.locate(address) {
            Some(Located::Made(_)) => true,
            Some(Located::InFile(mapping, Holding::NotYet)) => {
                let Some(file) = self.around(address).and_then(|mapped| mapped.file) else {
                    return false;
                };
                let holding = held.file(proc_root, pids, mapping, file);
                let key = (file, mapping.name.clone());
                self.files.insert(key, holding);
                false
            }
            _ => false,
        }
    }

    /// Whether nothing more is to be done so that an address can be named: it is in a file, which is held or cannot be.
    pub(crate) fn is_settled(&self, address: u64) -> bool {
        match self.locate(address) {
            Some(Located::InFile(_, holding)) => holding != Holding::NotYet,
            found => matches!(found, Some(Located::Special(_))),
        }
    }

    pub(super) fn locate(&self, address: u64) -> Option<Located<'_>> {
        let Mapped { mapping, file } = self.around(address)?;
        let name = mapping.name.as_str();
        // Generated code is in anonymous memory, or in files that no other process has.
        let is_path = name.starts_with('/');
        let is_made = !is_path || name.starts_with("/memfd:") || name.starts_with("/dev/");
        let is_special = name.starts_with("[v");
        Some(match file {
            _ if is_special => Located::Special(mapping),
            Some(file) if !is_made => {
                let holding = self.files.get(&(*file, mapping.name.clone()));
                Located::InFile(mapping, holding.copied().unwrap_or_default())
            }
            _ => Located::Made(mapping),
        })
    }

    fn around(&self, address: u64) -> Option<&Mapped> {
        let after = self
            .mappings
            .partition_point(|mapped| mapped.mapping.start <= address);
        let mapped = self.mappings.get(after.checked_sub(1)?)?;
        let Mapping { perms, .. } = &mapped.mapping;
        (mapped.mapping.contains(address) && perms.contains('x')).then_some(mapped)
    }
}

impl ProgramFile {
    /// Only if that is a different name, not just a part of the file's: `python3` is no better name
    /// than `python3.11`.
    fn of(proc_root: &Path, pid: u32) -> Option<Self> {
        let file = fs::read_link(proc_root.join(format!("{pid}/exe"))).ok()?;
        let file = file.to_str()?.to_owned();
        let path = memory::started_by(proc_root, pid)?;
        let name = path.file_name()?.to_str()?.to_owned();
        (!base_name(&file).starts_with(&name)).then_some(Self { file, name })
    }
}

fn base_name(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Kind;
    use proptest::prelude::*;

    fn mapped(start: u64, name: &str, perms: &str, inode: u64) -> Mapped {
        Mapped {
            mapping: Mapping {
                start,
                end: start + 0x1000,
                name: name.into(),
                kind: Kind::File,
                perms: perms.into(),
                offset: 0,
                resident_pages: 0,
                anonymous_pages: 0,
                huge_page_bytes: 0,
                mergeable: false,
            },
            file: (inode != 0).then_some(FileId {
                device: (8, 1),
                inode,
            }),
        }
    }

    fn code(mappings: Vec<Mapped>) -> ProgramCode {
        ProgramCode {
            mappings,
            ..ProgramCode::default()
        }
    }

    #[test]
    fn code_is_in_files_made_or_the_kernels() {
        let code = code(vec![
            mapped(0x1000, "/usr/bin/node", "r-xp", 7),
            mapped(0x2000, "/usr/bin/node", "rw-p", 7),
            mapped(0x3000, "[anon]", "rwxp", 0),
            mapped(0x4000, "/memfd:doublemapper (deleted)", "r-xs", 9),
            mapped(0x5000, "[vdso]", "r-xp", 0),
        ]);
        let in_file = code.locate(0x1fff);
        assert!(matches!(in_file, Some(Located::InFile(_, Holding::NotYet))));
        assert!(code.locate(0x2000).is_none() && !code.has(0x2000));
        for made in [0x3000, 0x4000] {
            assert!(matches!(code.locate(made), Some(Located::Made(_))));
        }
        assert!(matches!(code.locate(0x5000), Some(Located::Special(_))));
        assert!(code.locate(0x6000).is_none());
    }

    #[test]
    fn newer_mappings_take_the_place_of_older_ones() {
        let mut old = code(vec![
            mapped(0x1000, "/a", "r-xp", 1),
            mapped(0x2000, "/b", "r-xp", 2),
        ]);
        old.add(code(vec![mapped(0x1800, "/c", "r-xp", 3)]));
        let names: Vec<&str> = old.mappings().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["/c"]);
        assert!(!old.has(0x1000) && old.has(0x2000) && old.has(0x27ff));
        old.add(code(vec![
            mapped(0x0000, "/d", "r-xp", 4),
            mapped(0x5000, "/e", "r-xp", 5),
        ]));
        old.add(code(vec![mapped(0x4800, "/f", "r-xp", 6)]));
        let names: Vec<&str> = old.mappings().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["/d", "/c", "/f"]);
    }

    proptest! {
        /// The expected result, found by comparing every pair.
        #[test]
        fn any_newer_mappings_take_the_place_of_those_they_touch(
            old in layouts(), new in layouts(),
        ) {
            let of = |layout: &[u64], name| code(layout
                .iter()
                .map(|&start| mapped(start, name, "r-xp", 1))
                .collect());
            let touches = |one: u64, other: u64| one.abs_diff(other) < 0x1000;
            let mut expected: Vec<(u64, &str)> = old
                .iter()
                .filter(|start| !new.iter().any(|other| touches(**start, *other)))
                .map(|start| (*start, "/old"))
                .chain(new.iter().map(|start| (*start, "/new")))
                .collect();
            expected.sort_unstable();
            let mut known = of(&old, "/old");
            known.add(of(&new, "/new"));
            let found: Vec<(u64, &str)> =
                known.mappings().map(|it| (it.start, it.name.as_str())).collect();
            prop_assert_eq!(found, expected);
        }
    }

    /// Mappings of one page each that do not touch each other, in order.
    fn layouts() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(0u64..6, 0..20).prop_map(|steps| {
            let mut at = 0x1000;
            steps
                .into_iter()
                .map(|step| {
                    at += 0x1000 + step * 0x400;
                    at
                })
                .collect()
        })
    }
}
