//! /proc/PID/maps and smaps as mappings (proc(5)).
//!
//! Paths are whatever the target mapped: bytes that are no UTF-8 are replaced, not refused.

use std::{fs, io, path::Path};

use crate::run::{Kind, Mapping};

/// The text of maps, to see whether anything changed.
pub fn read_layout_text(root: &Path, pid: u32) -> io::Result<Vec<u8>> {
    fs::read(root.join(pid.to_string()).join("maps"))
}

/// The mappings in the text of maps, without counting pages.
pub fn read_mappings(text: &[u8], page_bytes: u64) -> io::Result<Vec<Mapping>> {
    without_files(text, page_bytes)
}

/// The mappings with their present pages. Walks the target's page tables, some milliseconds a
/// gigabyte, so it is not for every tick.
pub fn read_mappings_with_pages(
    root: &Path,
    pid: u32,
    page_bytes: u64,
) -> io::Result<Vec<Mapping>> {
    let text = fs::read(root.join(pid.to_string()).join("smaps"))?;
    without_files(&text, page_bytes)
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
    parse(text, 1)
}

fn without_files(text: &[u8], page_bytes: u64) -> io::Result<Vec<Mapping>> {
    let found = parse(text, page_bytes)?;
    Ok(found.into_iter().map(|(mapping, _)| mapping).collect())
}

/// A mapping that is being read, and what its pages are that no other sum of smaps has.
struct Entry {
    mapping: Mapping,
    file: Option<FileId>,
    page_bytes: u64,
    huge_pages: u64,
}

fn parse(text: &[u8], page_bytes: u64) -> io::Result<Vec<(Mapping, Option<FileId>)>> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let is_read = match line.first() {
            None => true,
            // The lines of smaps that follow a mapping's own, which begins with a number.
            Some(letter) if letter.is_ascii_uppercase() => {
                let entry = entries.last_mut();
                entry
                    .and_then(|entry| entry.add(line, page_bytes))
                    .is_some()
            }
            Some(_) => entry(line).map(|entry| entries.push(entry)).is_some(),
        };
        if !is_read {
            let line = line.escape_ascii();
            let message = format!("mappings are not told like this: {line}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    }
    let mapped = entries.into_iter().map(Entry::mapped);
    Ok(mapped.filter(|(it, _)| it.start < it.end).collect())
}

/// A line of maps: addresses, permissions, offset, device, inode, path. The path is whatever comes
/// after the others and what aligns it.
fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut field = || str::from_utf8(fields.next()?).ok();
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let (start, end) = field()?.split_once('-')?;
    let perms = field().filter(|perms| perms.len() == 4 && perms.is_ascii())?;
    let offset = hex(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let device = (
        i32::from_str_radix(major, 16).ok()?,
        i32::from_str_radix(minor, 16).ok()?,
    );
    let inode = field()?.parse().ok()?;
    let path = fields.next().unwrap_or_default();
    let path = path
        .iter()
        .position(|&byte| byte != b' ')
        .map(|at| &path[at..]);
    let path = String::from_utf8_lossy(path.unwrap_or_default());
    Some(Entry {
        mapping: Mapping {
            start: hex(start)?,
            end: hex(end)?,
            kind: kind(perms, &path),
            // Names given with PR_SET_VMA_ANON_NAME come as "[anon:NAME]" in brackets already.
            name: if path.is_empty() {
                "[anon]".into()
            } else {
                path.into_owned()
            },
            perms: perms.to_owned(),
            offset,
            resident_pages: 0,
            anonymous_pages: 0,
            huge_page_bytes: 0,
            mergeable: false,
        },
        file: (inode != 0).then_some(FileId { device, inode }),
        page_bytes: 0,
        huge_pages: 0,
    })
}

impl Entry {
    /// Takes in a further line of smaps.
    fn add(&mut self, line: &[u8], page_bytes: u64) -> Option<()> {
        let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
        let key = words.next()?;
        let mapping = &mut self.mapping;
        if key == "VmFlags:" {
            mapping.mergeable = words.any(|flag| flag == "mg");
            return Some(());
        }
        let mut bytes = || words.next()?.parse::<u64>().ok()?.checked_mul(1024);
        match key {
            "KernelPageSize:" => self.page_bytes = bytes()?,
            "Rss:" => mapping.resident_pages = bytes()? / page_bytes,
            "Anonymous:" => mapping.anonymous_pages = bytes()? / page_bytes,
            "Private_Hugetlb:" | "Shared_Hugetlb:" => {
                self.huge_pages = self.huge_pages.saturating_add(bytes()? / page_bytes);
            }
            _ => {}
        }
        Some(())
    }

    fn mapped(self) -> (Mapping, Option<FileId>) {
        let mut mapping = self.mapping;
        mapping.resident_pages = mapping.resident_pages.saturating_add(self.huge_pages);
        if self.huge_pages > 0 {
            mapping.huge_page_bytes = self.page_bytes;
        }
        (mapping, self.file)
    }
}

fn kind(perms: &str, path: &str) -> Kind {
    if perms.ends_with('s') {
        return Kind::Shared;
    }
    match path {
        "[heap]" => Kind::Heap,
        "" => Kind::Anon,
        _ if path.starts_with("[stack") => Kind::Stack,
        _ if path.starts_with("[anon") => Kind::Anon,
        _ if path.starts_with('[') => Kind::Special,
        _ => Kind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;
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
        let mappings = without_files(SMAPS, 4096).unwrap();
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

    /// A shared segment's name is made by the kernel, and any file's by whoever made the file.
    #[test]
    fn a_path_may_be_anything() {
        for path in [
            "/SYSV",
            "/SYSV\u{e4}\u{e4}\u{e4}\u{e4}",
            "/a  b ",
            "/[stack:x]",
        ] {
            let text = format!("1000-2000 rw-p 00000000 fe:00 7    {path}\n");
            let found = read_mapped_files(text.as_bytes()).unwrap();
            let (mapping, file) = &found[0];
            assert_eq!((mapping.name.as_str(), mapping.kind), (path, Kind::File));
            let device = (0xfe, 0);
            assert_eq!(*file, Some(FileId { device, inode: 7 }));
        }
    }

    #[test]
    fn what_is_no_mapping_is_an_error() {
        for text in [
            "Rss: 4 kB",
            "1000 rw-p 0 0:0 0",
            "1000-2000 rw-p",
            "1000-2000 rw-p 0 0:0 x",
            "1000-2000 rw-p 0 0:0 0\nRss: x kB",
            "1000-2000 rw-p 0 0:0 0\nRss: 99999999999999999999 kB",
            "1000-2000 rw-p 0 0:0 0\nRss: 18446744073709551615 kB",
        ] {
            assert!(read_mappings(text.as_bytes(), 4096).is_err(), "{text}");
        }
    }

    #[test]
    fn this_processs_own_mappings_are_read() {
        let pid = std::process::id();
        let mappings =
            read_mappings_with_pages(Path::new("/proc"), pid, memory::page_bytes()).unwrap();
        let here = std::ptr::from_ref(&SMAPS) as u64;
        let mapping = mappings
            .iter()
            .find(|mapping| mapping.contains(here))
            .unwrap();
        assert!(mapping.resident_pages > 0);
        let text = read_layout_text(Path::new("/proc"), pid).unwrap();
        assert!(
            read_mappings(&text, memory::page_bytes())
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
            if let Ok(mappings) = without_files(&text, 4096) {
                prop_assert!(mappings.iter().all(|mapping| mapping.start < mapping.end));
            }
        }
    }
}
