//! Names for a program's or library's data that begins as zeros (`.bss`): the kernel calls it
//! anonymous, and it follows the file's own data in memory.
//!
//! The file says where that data ends, but the traced side may have made the file. So this module
//! only holds the file open, and the caller decides who reads it ([`HeldData`]).

use std::{collections::HashMap, fs::File, path::Path};

use object::{Object, ObjectSegment as _};

use super::{
    files::{hold_mapped, hold_named},
    maps::{read_layout_text, read_mapped_files},
};
use crate::run::{Kind, Mapping, Process, Region};

/// Most files held for this: those with most copies first.
const MAX_FILES: usize = 256;

/// A file whose data a process has mapped. [`bytes_to_end`] says which part of it to read.
#[derive(Debug)]
pub struct HeldData {
    /// Only held, not opened: it may not be a regular file.
    pub file: File,
    /// The inode that the file must have, since a file found by name may be another. None if the mapping
    /// itself led to the file. Also none if the process has exited; then only a file whose data ends at
    /// the same place gives a name.
    pub inode: Option<u64>,
    /// Offset in the file at which the mapping begins, bytes.
    pub offset: u64,
}

/// Names these regions; those of living processes by the processes' own files. `ask` gives the
/// [`bytes_to_end`] of each file, or none.
pub fn name_bss(
    regions: &mut [Region],
    processes: &[Process],
    proc_root: &Path,
    ask: impl FnOnce(&[HeldData]) -> Vec<Option<u64>>,
) {
    let living = |id: u32| {
        let process = processes.iter().find(|process| process.id == id)?;
        process.exited_ns.is_none().then_some(process.pid)
    };
    let data = data_by_end(regions);
    let mut candidates: Vec<(usize, &Region, &Mapping)> = regions
        .iter()
        .enumerate()
        .filter(|(_, region)| region.copied_pages > 0 && region.mapping.kind == Kind::Anon)
        .filter_map(|(index, region)| {
            let ends = (region.process_id, region.mapping.start);
            Some((index, region, &data.get(&ends)?.mapping))
        })
        .collect();
    candidates.sort_by_key(|(_, region, _)| std::cmp::Reverse(region.copied_pages));
    candidates.truncate(MAX_FILES);
    let (mut held, mut asked) = (Vec::new(), Vec::new());
    for (index, region, data) in candidates {
        if let Some(file) = hold_bss_file(proc_root, living(region.process_id), data) {
            held.push(file);
            asked.push((index, region.mapping.end, data));
        }
    }
    if held.is_empty() {
        return;
    }
    let is_bss = |(_, end, data): &(usize, u64, &Mapping), bytes: Option<u64>| {
        bytes.and_then(|bytes| data.start.checked_add(bytes)) == Some(*end)
    };
    let found = asked.iter().zip(ask(&held));
    let named: Vec<(usize, String)> = found
        .filter(|(candidate, bytes)| is_bss(candidate, *bytes))
        .map(|((index, _, data), _)| (*index, name_of(data)))
        .collect();
    for (index, name) in named {
        regions[index].mapping.name = name;
    }
}

fn name_of(data: &Mapping) -> String {
    let file = data.name.rsplit('/').next().unwrap_or_default();
    format!("[bss of {file}]")
}

/// The mapped data of files, by process and end address.
fn data_by_end(regions: &[Region]) -> HashMap<(u32, u64), &Region> {
    let is_data =
        |region: &&Region| region.mapping.kind == Kind::File && region.mapping.is_copy_on_write();
    let mut data = HashMap::new();
    for region in regions.iter().filter(is_data) {
        data.entry((region.process_id, region.mapping.end))
            .or_insert(region);
    }
    data
}

/// The file of a mapping: from the process that has it mapped if that is alive, otherwise the file
/// with its name in cowtrace's own root.
fn hold_bss_file(proc_root: &Path, pid: Option<u32>, mapping: &Mapping) -> Option<HeldData> {
    let held = |file, inode| HeldData {
        file,
        inode,
        offset: mapping.offset,
    };
    let Some(pid) = pid else {
        return Some(held(hold_named(proc_root, None, &mapping.name)?, None));
    };
    if let Some(file) = hold_mapped(proc_root, pid, mapping.start, mapping.end) {
        return Some(held(file, None));
    }
    // Without the right to open mapped files, their names are used. A process that has exited
    // meanwhile has none.
    match inode_of(proc_root, pid, mapping) {
        Some(inode) => {
            let file = hold_named(proc_root, Some(pid), &mapping.name)?;
            Some(held(file, Some(inode)))
        }
        None => Some(held(hold_named(proc_root, None, &mapping.name)?, None)),
    }
}

/// The inode of the file with that name that a process has mapped at an address.
fn inode_of(proc_root: &Path, pid: u32, mapping: &Mapping) -> Option<u64> {
    let text = read_layout_text(proc_root, pid).ok()?;
    let mapped = read_mapped_files(&text).ok()?;
    let same = mapped
        .into_iter()
        .find(|(it, _)| it.start == mapping.start && it.name == mapping.name)?;
    Some(same.1?.inode)
}

/// How far a segment reaches in memory, in bytes from the start of the mapping of its file part: up
/// to the end of the segment's last page (elf(5)). None if the mapping belongs to no segment.
pub(crate) fn bytes_to_end<'a>(
    file: &impl Object<'a>,
    mapped: u64,
    page_bytes: u64,
) -> Option<u64> {
    let down = |at: u64| at & !(page_bytes - 1);
    // The last one: an earlier segment may share its last page of the file with it.
    let found = file.segments().filter_map(|segment| {
        let (offset, bytes) = segment.file_range();
        // Its first pages may have been split off and made read-only since.
        let within = mapped.checked_sub(down(offset))?;
        if within >= offset.checked_sub(down(offset))?.checked_add(bytes)? {
            return None;
        }
        let bytes = segment
            .size()
            .checked_add(segment.address() & (page_bytes - 1))?;
        down(bytes.checked_add(page_bytes - 1)?).checked_sub(within)
    });
    found.last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory,
        run::{Role, Sources},
        scratch::Scratch,
    };
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::{
        fs,
        os::{
            fd::AsRawFd as _,
            unix::fs::{MetadataExt as _, symlink},
        },
        sync::atomic::{AtomicU8, Ordering},
    };

    static ZEROS: [AtomicU8; 1 << 16] = [const { AtomicU8::new(0) }; 1 << 16];

    fn regions() -> Vec<Region> {
        let text = memory::read_layout_text(Path::new("/proc"), std::process::id()).unwrap();
        let mappings = memory::read_mappings(&text).unwrap();
        let region = |(id, mapping): (usize, Mapping)| Region {
            id: u32::try_from(id).unwrap(),
            process_id: 0,
            mapping,
            inheritors: 1,
            inherited_pages: 1,
            copied_pages: 1,
            unshared_pages: 1,
        };
        mappings.into_iter().enumerate().map(region).collect()
    }

    /// Reads a held file as the naming process does, but in this process.
    fn read(held: &[HeldData]) -> Vec<Option<u64>> {
        let of = |data: &HeldData| {
            let found = data.file.metadata().ok().filter(fs::Metadata::is_file)?;
            let inode = found.ino();
            let bytes = fs::read(format!("/proc/self/fd/{}", data.file.as_raw_fd())).ok()?;
            let file = object::File::parse(bytes.as_slice()).ok()?;
            let is_it = data.inode.is_none_or(|it| it == inode);
            bytes_to_end(&file, data.offset, memory::page_bytes()).filter(|_| is_it)
        };
        held.iter().map(of).collect()
    }

    fn named(mut regions: Vec<Region>, pid: Option<u32>) -> Vec<Region> {
        named_in(&mut regions, pid, Path::new("/proc"));
        regions
    }

    fn named_in(regions: &mut [Region], pid: Option<u32>, proc_root: &Path) {
        let process = |pid| Process {
            id: 0,
            pid,
            parent_id: None,
            comm: String::new(),
            role: Role::Master,
            started_ns: 0,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: None,
            target: None,
        };
        let processes: Vec<_> = pid.map(process).into_iter().collect();
        name_bss(regions, &processes, proc_root, read);
    }

    fn own(region: &Region) -> bool {
        region.mapping.contains(ZEROS.as_ptr() as u64 + 40_000)
    }

    #[test]
    fn own_zeros_are_found_by_process_and_by_name() {
        ZEROS[4000].store(1, Ordering::Relaxed);
        for pid in [Some(std::process::id()), None] {
            let regions = named(regions(), pid);
            let name = &regions.iter().find(|it| own(it)).unwrap().mapping.name;
            assert!(name.starts_with("[bss of cowtrace-"), "{name}");
        }
    }

    #[test]
    fn other_memory_behind_a_files_data_is_no_bss() {
        let mut regions = regions();
        let index = regions.iter().position(own).unwrap();
        regions[index].mapping.end += memory::page_bytes();
        assert_eq!(named(regions, None)[index].mapping.name, "[anon]");
    }

    /// A process whose mapped files may not be opened, with a root of its own that has a file of
    /// the program's name.
    #[test]
    fn a_name_counts_if_it_leads_to_the_file_that_is_mapped() {
        let scratch = Scratch::new("bss");
        let pid = std::process::id();
        let folder = scratch.path(&pid.to_string());
        fs::create_dir(&folder).unwrap();
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap();
        fs::write(folder.join("maps"), maps).unwrap();
        let program = fs::read_link("/proc/self/exe").unwrap();
        let program = program.to_str().unwrap();
        let there = folder.join("root").join(program.trim_start_matches('/'));
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        let name = || {
            let mut regions = regions();
            named_in(&mut regions, Some(pid), scratch.folder());
            let own = regions.into_iter().find(own).unwrap();
            own.mapping.name
        };
        // There is no such file, and a file of the same name elsewhere is not taken instead.
        assert_eq!(name(), "[anon]");
        mkfifo(&there, Mode::S_IRWXU).unwrap();
        assert_eq!(name(), "[anon]");
        fs::remove_file(&there).unwrap();
        fs::copy(program, &there).unwrap();
        assert_eq!(name(), "[anon]", "another inode");
        fs::remove_file(&there).unwrap();
        // A link is resolved within that root.
        symlink(program, &there).unwrap();
        assert_eq!(name(), "[anon]");
    }

    #[test]
    fn what_is_no_program_or_is_cut_short_has_no_zeros() {
        let scratch = Scratch::new("bss-cut");
        let bytes = fs::read("/proc/self/exe").unwrap();
        let data = data_of_own();
        let of = |bytes: &[u8]| {
            let path = scratch.path("program");
            fs::write(&path, bytes).unwrap();
            let file = hold_named(Path::new("/proc"), None, path.to_str().unwrap()).unwrap();
            read(&[HeldData {
                file,
                inode: None,
                offset: data.offset,
            }])[0]
        };
        let whole = of(&bytes).unwrap();
        assert_eq!(whole % memory::page_bytes(), 0);
        assert!(whole > data.end - data.start, "{whole}");
        for length in [0, 20, 63, 64, 100] {
            assert_eq!(of(&bytes[..length]), None, "{length}");
        }
        assert_eq!(of(b"root:x:0:0:root:/root:/bin/sh\n"), None);
    }

    /// The mapping of this program's data.
    fn data_of_own() -> Mapping {
        let regions = regions();
        let zeros = regions.iter().find(|it| own(it)).unwrap();
        let ends = (0, zeros.mapping.start);
        data_by_end(&regions)[&ends].mapping.clone()
    }
}
