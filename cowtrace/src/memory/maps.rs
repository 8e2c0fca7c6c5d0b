//! /proc/PID/maps and smaps as mappings (proc(5)).
//!
//! Paths are whatever the target mapped: bytes that are no UTF-8 are replaced, not refused.

use std::{fs, io, path::Path};

use procfs::{
    FromRead as _,
    process::{MMPermissions, MMapPath, MemoryMap, MemoryMaps, VmFlags},
};

use crate::run::{Kind, Mapping};

/// The text of maps, to see whether anything changed.
pub fn read_layout_text(root: &Path, pid: u32) -> io::Result<Vec<u8>> {
    fs::read(root.join(pid.to_string()).join("maps"))
}

/// The mappings in the text of maps, without counting pages.
pub fn read_mappings(text: &[u8], page_bytes: u64) -> io::Result<Vec<Mapping>> {
    parse(text, page_bytes)
}

/// The mappings with their present pages. Walks the target's page tables, some milliseconds a
/// gigabyte, so it is not for every tick.
pub fn read_mappings_with_pages(
    root: &Path,
    pid: u32,
    page_bytes: u64,
) -> io::Result<Vec<Mapping>> {
    parse(
        &fs::read(root.join(pid.to_string()).join("smaps"))?,
        page_bytes,
    )
}

/// A file as maps names it. Two file systems may give the same numbers to different files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Major and minor number of the device.
    pub device: (i32, i32),
    /// Number of the inode, never 0.
    pub inode: u64,
}

/// The mappings in the text of maps, each with the file it is of, without counting pages.
pub fn read_mapped_files(text: &[u8]) -> io::Result<Vec<(Mapping, Option<FileId>)>> {
    let with_file = |map: &MemoryMap| {
        let file = (map.inode != 0).then_some(FileId {
            device: map.dev,
            inode: map.inode,
        });
        (mapping(map, 1), file)
    };
    parse_as(text, with_file)
}

fn parse(text: &[u8], page_bytes: u64) -> io::Result<Vec<Mapping>> {
    parse_as(text, |map| mapping(map, page_bytes))
}

fn parse_as<T>(text: &[u8], what: impl Fn(&MemoryMap) -> T) -> io::Result<Vec<T>> {
    let text = String::from_utf8_lossy(text);
    let maps = MemoryMaps::from_read(text.as_bytes())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    Ok(maps
        .iter()
        .filter(|map| map.address.0 < map.address.1)
        .map(what)
        .collect())
}

fn mapping(map: &MemoryMap, page_bytes: u64) -> Mapping {
    let bytes = |key: &str| map.extension.map.get(key).copied().unwrap_or(0);
    let pages = |key: &str| bytes(key) / page_bytes;
    // Pages of hugetlbfs are in no other sum of smaps.
    let huge_pages = pages("Private_Hugetlb") + pages("Shared_Hugetlb");
    Mapping {
        start: map.address.0,
        end: map.address.1,
        name: name(map),
        kind: kind(map),
        perms: perms(map.perms),
        offset: map.offset,
        resident_pages: pages("Rss") + huge_pages,
        anonymous_pages: pages("Anonymous"),
        huge_page_bytes: if huge_pages > 0 {
            bytes("KernelPageSize")
        } else {
            0
        },
        mergeable: map.extension.vm_flags.contains(VmFlags::MG),
    }
}

fn name(map: &MemoryMap) -> String {
    match &map.pathname {
        MMapPath::Path(path) => path.to_string_lossy().into_owned(),
        MMapPath::Heap => "[heap]".into(),
        MMapPath::Stack => "[stack]".into(),
        MMapPath::TStack(tid) => format!("[stack:{tid}]"),
        MMapPath::Vdso => "[vdso]".into(),
        MMapPath::Vvar => "[vvar]".into(),
        MMapPath::Vsyscall => "[vsyscall]".into(),
        MMapPath::Rollup => "[rollup]".into(),
        MMapPath::Anonymous => "[anon]".into(),
        MMapPath::Vsys(key) => format!("/SYSV{key:08x}"),
        // Names given with PR_SET_VMA_ANON_NAME come as "[anon:NAME]" in brackets already.
        MMapPath::Other(name) if name.starts_with('[') => name.clone(),
        MMapPath::Other(name) => format!("[{name}]"),
    }
}

fn kind(map: &MemoryMap) -> Kind {
    if map.perms.contains(MMPermissions::SHARED) {
        return Kind::Shared;
    }
    match &map.pathname {
        MMapPath::Heap => Kind::Heap,
        MMapPath::Stack | MMapPath::TStack(_) => Kind::Stack,
        MMapPath::Path(_) | MMapPath::Vsys(_) => Kind::File,
        MMapPath::Anonymous => Kind::Anon,
        MMapPath::Other(name) if name.trim_start_matches('[').starts_with("anon") => Kind::Anon,
        _ => Kind::Special,
    }
}

fn perms(perms: MMPermissions) -> String {
    let letter = |flag, letter| if perms.contains(flag) { letter } else { '-' };
    let sharing = if perms.contains(MMPermissions::SHARED) {
        's'
    } else {
        'p'
    };
    [
        letter(MMPermissions::READ, 'r'),
        letter(MMPermissions::WRITE, 'w'),
        letter(MMPermissions::EXECUTE, 'x'),
        sharing,
    ]
    .iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMAPS: &[u8] = b"55d0c3a41000-55d0c3a62000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 120 kB
Anonymous:           116 kB
VmFlags: rd wr mr mw me ac mg
7f2b00000000-7f2b00021000 rw-p 00000000 00:00 0                          [anon:glibc: malloc]
Size:                132 kB
Rss:                   4 kB
Anonymous:             4 kB
VmFlags: rd wr mr mw me nr
7f2b1c000000-7f2b1c001000 rw-p 00002000 fe:00 4242                       /tmp/na me\\012<b>\xff.so (deleted)
Size:                  4 kB
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd wr mr mw me
7f2b1c001000-7f2b1c002000 rw-s 00000000 00:01 7                          /dev/zero (deleted)
Size:                  4 kB
Rss:                   0 kB
VmFlags: rd wr sh
7f2b40000000-7f2b40800000 rw-p 00000000 00:10 4711                       /anon_hugepage (deleted)
Size:               8192 kB
KernelPageSize:     2048 kB
Rss:                   0 kB
Anonymous:             0 kB
Shared_Hugetlb:     2048 kB
Private_Hugetlb:    6144 kB
VmFlags: rd wr mr mw me de ht
";

    #[test]
    fn smaps_become_mappings_with_kind_name_and_pages() {
        let mappings = parse(SMAPS, 4096).unwrap();
        let told: Vec<_> = mappings
            .iter()
            .map(|m| (m.kind, m.perms.as_str(), m.resident_pages))
            .collect();
        assert_eq!(
            told,
            [
                (Kind::Heap, "rw-p", 30),
                (Kind::Anon, "rw-p", 1),
                (Kind::File, "rw-p", 1),
                (Kind::Shared, "rw-s", 0),
                (Kind::File, "rw-p", 2048)
            ]
        );
        assert_eq!(mappings[4].huge_page_bytes, 2 << 20);
        assert_eq!(mappings[0].huge_page_bytes, 0);
        assert_eq!(mappings[0].anonymous_pages, 29);
        assert!(mappings[0].mergeable && !mappings[1].mergeable);
        assert_eq!(mappings[1].name, "[anon:glibc: malloc]");
        assert_eq!(mappings[2].offset, 0x2000);
        assert!(
            mappings[2].name.starts_with("/tmp/na me\\012<b>"),
            "{}",
            mappings[2].name
        );
    }

    #[test]
    fn this_processs_own_mappings_are_read() {
        let pid = std::process::id();
        let mappings =
            read_mappings_with_pages(Path::new("/proc"), pid, procfs::page_size()).unwrap();
        let here = std::ptr::from_ref(&SMAPS) as u64;
        let mapping = mappings
            .iter()
            .find(|mapping| mapping.contains(here))
            .unwrap();
        assert!(mapping.resident_pages > 0);
        let text = read_layout_text(Path::new("/proc"), pid).unwrap();
        assert!(
            read_mappings(&text, procfs::page_size())
                .unwrap()
                .iter()
                .any(|m| m.kind == Kind::Stack)
        );
    }

    proptest! {
        #[test]
        fn hostile_text_is_an_error_or_mappings_never_a_crash(
            at in 0usize..1100, bytes in proptest::collection::vec(any::<u8>(), 0..12), cut in 0usize..1100,
        ) {
            let mut text = SMAPS.to_vec();
            let at = at % text.len();
            let end = (at + bytes.len()).min(text.len());
            text.splice(at..end, bytes);
            text.truncate(text.len().saturating_sub(cut % text.len()));
            if let Ok(mappings) = parse(&text, 4096) {
                prop_assert!(mappings.iter().all(|mapping| mapping.start < mapping.end));
            }
        }
    }
}
