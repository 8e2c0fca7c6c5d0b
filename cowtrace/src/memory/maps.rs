//! /proc/PID/maps as mappings (proc(5)).
//!
//! Paths may be any bytes; those that are not UTF-8 are replaced, not refused.

use std::{fs, io, path::Path};

use crate::run::{Kind, Mapping};

/// The text of maps, for checking whether anything changed.
pub fn read_layout_text(root: &Path, pid: u32) -> io::Result<Vec<u8>> {
    fs::read(root.join(pid.to_string()).join("maps"))
}

/// The mappings in the text of maps, without counting pages.
pub fn read_mappings(text: &[u8]) -> io::Result<Vec<Mapping>> {
    let found = read_mapped_files(text)?;
    Ok(found.into_iter().map(|(mapping, _)| mapping).collect())
}

/// Identifies a file in maps. Two file systems may use the same numbers for different files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Major and minor number of the device.
    pub device: (i32, i32),
    /// Number of the inode, never 0.
    pub inode: u64,
}

/// The mappings in the text of maps, each with its file, without counting pages.
pub fn read_mapped_files(text: &[u8]) -> io::Result<Vec<(Mapping, Option<FileId>)>> {
    let lines = text.split(|&byte| byte == b'\n');
    let mut found = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let Some(mapped) = parse_maps_line(line) else {
            let line = line.escape_ascii();
            let message = format!("unexpected format of /proc/PID/maps: {line}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        found.push(mapped);
    }
    found.retain(|(mapping, _)| mapping.start < mapping.end);
    Ok(found)
}

/// A line of maps: addresses, permissions, offset, device, inode, path. The path is the rest of the
/// line, after padding.
fn parse_maps_line(line: &[u8]) -> Option<(Mapping, Option<FileId>)> {
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
    let mapping = Mapping {
        start: hex(start)?,
        end: hex(end)?,
        kind: kind_of_mapping(perms, &path),
        // Names given with PR_SET_VMA_ANON_NAME come as "[anon:NAME]" in brackets already.
        name: if path.is_empty() {
            Mapping::UNNAMED.into()
        } else {
            path.into_owned()
        },
        perms: perms.to_owned(),
        offset,
        resident_pages: 0,
        anonymous_pages: 0,
        huge_page_bytes: 0,
        mergeable: false,
    };
    let file = (inode != 0).then_some(FileId { device, inode });
    Some((mapping, file))
}

fn kind_of_mapping(perms: &str, path: &str) -> Kind {
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
    use proptest::prelude::*;

    const MAPS: &[u8] = b"55d0c3a41000-55d0c3a62000 rw-p 00000000 00:00 0                          [heap]
7f2b00000000-7f2b00021000 rw-p 00000000 00:00 0                          [anon:glibc: malloc]
7f2b1c000000-7f2b1c001000 rw-p 00002000 fe:00 4242                       /tmp/na me\\012<b>\xff.so (deleted)
7f2b1c001000-7f2b1c002000 rw-s 00000000 00:01 7                          /dev/zero (deleted)
7f2b40000000-7f2b40800000 rw-p 00000000 00:10 4711                       /anon_hugepage (deleted)
";

    #[test]
    fn maps_become_mappings_with_kind_and_name() {
        let mappings = read_mappings(MAPS).unwrap();
        let told: Vec<_> = mappings
            .iter()
            .map(|m| (m.kind, m.perms.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (Kind::Heap, "rw-p"),
                (Kind::Anon, "rw-p"),
                (Kind::File, "rw-p"),
                (Kind::Shared, "rw-s"),
                (Kind::File, "rw-p")
            ]
        );
        assert_eq!(mappings[1].name, "[anon:glibc: malloc]");
        assert_eq!(mappings[2].offset, 0x2000);
        assert!(
            mappings[2].name.starts_with("/tmp/na me\\012<b>"),
            "{}",
            mappings[2].name
        );
    }

    /// The kernel names shared segments; all other files are named by whoever made them.
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
            "1000-2000 rw-p 0 0:0 0\nRss: 4 kB",
        ] {
            assert!(read_mappings(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn this_processs_own_mappings_are_read() {
        let pid = std::process::id();
        let text = read_layout_text(Path::new("/proc"), pid).unwrap();
        let mappings = read_mappings(&text).unwrap();
        let here = std::ptr::from_ref(&MAPS) as u64;
        assert!(mappings.iter().any(|mapping| mapping.contains(here)));
        assert!(mappings.iter().any(|mapping| mapping.kind == Kind::Stack));
    }

    proptest! {
        #[test]
        fn hostile_text_is_an_error_or_mappings_never_a_crash(
            at in 0usize..600, bytes in proptest::collection::vec(any::<u8>(), 0..12), cut in 0usize..600,
        ) {
            let mut text = MAPS.to_vec();
            let at = at % text.len();
            let end = (at + bytes.len()).min(text.len());
            text.splice(at..end, bytes);
            text.truncate(text.len().saturating_sub(cut % text.len()));
            if let Ok(mappings) = read_mappings(&text) {
                prop_assert!(mappings.iter().all(|mapping| mapping.start < mapping.end));
            }
        }
    }
}
