//! Names for the data that a program or library begins with as zeros (`.bss`): the kernel calls it
//! anonymous, and it lies behind the file's own data.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use object::{Object as _, ObjectSegment as _, ReadCache};

use crate::run::{Kind, Mapping, Process, Region};

/// Larger files are not read.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Files read for it at most: those with most copies first.
const MAX_FILES: usize = 256;

/// Names such regions, of processes that live by their own files.
pub(super) fn name(
    regions: &mut [Region],
    processes: &[Process],
    proc_root: &Path,
    page_bytes: u64,
) {
    let living = |id: u32| {
        let process = processes.iter().find(|process| process.id == id)?;
        process.exited_ns.is_none().then_some(process.pid)
    };
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut candidates: Vec<(usize, &Region, &Region)> = regions
        .iter()
        .enumerate()
        .filter(|(_, region)| region.copied_pages > 0 && region.mapping.kind == Kind::Anon)
        .filter_map(|(index, region)| Some((index, region, data_before(regions, region)?)))
        .collect();
    candidates.sort_by_key(|(_, region, _)| std::cmp::Reverse(region.copied_pages));
    for (index, region, data) in candidates.into_iter().take(MAX_FILES) {
        let path = place(proc_root, living(region.process_id), &data.mapping);
        if end_in_memory(&path, &data.mapping, page_bytes) == Some(region.mapping.end) {
            let file = data.mapping.name.rsplit('/').next().unwrap_or_default();
            found.push((index, format!("[bss of {file}]")));
        }
    }
    for (index, name) in found {
        regions[index].mapping.name = name;
    }
}

/// The data of a file that ends where a region begins.
fn data_before<'a>(regions: &'a [Region], region: &Region) -> Option<&'a Region> {
    regions.iter().find(|data| {
        data.process_id == region.process_id
            && data.mapping.kind == Kind::File
            && data.mapping.end == region.mapping.start
            && data.mapping.is_copy_on_write()
    })
}

/// By the process that has it mapped, if it lives; its name may mean another file here, but then
/// not one that ends at the same place.
fn place(proc_root: &Path, pid: Option<u32>, mapping: &Mapping) -> PathBuf {
    let Mapping { start, end, .. } = mapping;
    let mapped = pid.map(|pid| proc_root.join(format!("{pid}/map_files/{start:x}-{end:x}")));
    mapped
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(&mapping.name))
}

/// Where the last page of the segment ends that a mapping is the file's part of (elf(5)).
fn end_in_memory(path: &Path, mapping: &Mapping, page_bytes: u64) -> Option<u64> {
    let kind = fs::metadata(path).ok()?;
    if !kind.is_file() || kind.len() > MAX_FILE_BYTES {
        return None;
    }
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let down = |at: u64| at & !(page_bytes - 1);
    // The last: one before it may share its last page of the file with it.
    let ends = file.segments().filter_map(|segment| {
        let (offset, bytes) = segment.file_range();
        // Its first pages may have been split off and made read-only since.
        let within = mapping.offset.checked_sub(down(offset))?;
        if within >= offset.checked_sub(down(offset))?.checked_add(bytes)? {
            return None;
        }
        let begin = mapping.start.checked_sub(within)?;
        let bytes = segment
            .size()
            .checked_add(segment.address() & (page_bytes - 1))?;
        begin.checked_add(down(bytes.checked_add(page_bytes - 1)?))
    });
    ends.last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory,
        run::{Role, Sources},
    };
    use std::sync::atomic::{AtomicU8, Ordering};

    static ZEROS: [AtomicU8; 1 << 16] = [const { AtomicU8::new(0) }; 1 << 16];

    fn regions() -> Vec<Region> {
        let text = memory::read_layout_text(Path::new("/proc"), std::process::id()).unwrap();
        let mappings = memory::read_mappings(&text, memory::page_bytes()).unwrap();
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

    fn named(mut regions: Vec<Region>, pid: Option<u32>) -> Vec<Region> {
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
        };
        let processes: Vec<_> = pid.map(process).into_iter().collect();
        let page_bytes = memory::page_bytes();
        name(&mut regions, &processes, Path::new("/proc"), page_bytes);
        regions
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

    #[test]
    fn what_is_no_program_has_no_zeros() {
        let mapping = Mapping {
            name: "/etc/passwd".into(),
            kind: Kind::File,
            ..regions().remove(0).mapping
        };
        assert_eq!(
            end_in_memory(Path::new("/etc/passwd"), &mapping, 4096),
            None
        );
        assert_eq!(end_in_memory(Path::new("/proc"), &mapping, 4096), None);
    }
}
