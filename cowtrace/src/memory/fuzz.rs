//! What a process has a say in of what /proc tells of it.

use super::{files, maps, process, program};
use crate::{fuzzing::Target, run::Kind};

/// Texts of maps, stat, status and auxv.
pub(crate) const PROC: Target = Target {
    name: "proc",
    run: proc,
    seeds,
    max_bytes: 4 << 10,
    memory: |bytes| 64 * bytes + (1 << 16),
};

fn proc(input: &[u8]) {
    let _ = process::stat_of(input);
    let _ = process::huge_bytes(input);
    let _ = files::own_names(&String::from_utf8_lossy(input));
    let _ = program::started_by_address(input);
    any_text(input);
    any_path(input);
    any_name(input);
}

fn any_text(input: &[u8]) {
    let files = maps::read_mapped_files(input);
    let Ok(mappings) = maps::read_mappings(input) else {
        assert!(files.is_err());
        return;
    };
    let files = files.unwrap_or_default();
    assert_eq!(mappings.len(), files.len());
    for (mapping, (same, file)) in mappings.iter().zip(&files) {
        assert!(mapping.start < mapping.end && mapping.perms.len() == 4);
        assert!(!mapping.name.is_empty());
        assert_eq!((mapping.start, &mapping.name), (same.start, &same.name));
        assert!(file.is_none_or(|file| file.inode != 0));
    }
}

/// Whatever a process calls what it maps, none of its mappings gets lost, and none is taken for
/// another kind.
fn any_path(input: &[u8]) {
    let line = |start: u64, path: &[u8]| {
        let end = start + 0x1000;
        let head = format!("{start:08x}-{end:08x} rw-p 00002000 fe:00 4242    ");
        [head.as_bytes(), path, b"\n"].concat()
    };
    // The kernel escapes this one, and paths begin with a slash (`show_map_vma`).
    let path: Vec<u8> = input
        .iter()
        .copied()
        .filter(|byte| *byte != b'\n')
        .collect();
    let path = [b"/", path.as_slice()].concat();
    let text = [line(0x1000, &path), line(0x3000, b"[heap]")].concat();
    let mappings = maps::read_mappings(&text).unwrap_or_default();
    let kinds: Vec<Kind> = mappings.iter().map(|mapping| mapping.kind).collect();
    assert_eq!(kinds, [Kind::File, Kind::Heap], "{:?}", path.escape_ascii());
    assert_eq!(mappings[0].name, String::from_utf8_lossy(&path));
}

/// Nor does what it calls itself hide whose child it is.
fn any_name(input: &[u8]) {
    let rest = b") S 5 1 1 0 -1 4194304 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7";
    let text = [b"42 (", input, rest].concat();
    let found = process::stat_of(&text);
    assert!(found.is_ok_and(|stat| stat.parent == 5));
}

fn seeds() -> Vec<Vec<u8>> {
    let own = ["maps", "stat", "status", "auxv"];
    let mut seeds: Vec<Vec<u8>> = own
        .iter()
        .filter_map(|name| std::fs::read(format!("/proc/self/{name}")).ok())
        .map(|mut text| {
            text.truncate(2 << 10);
            text
        })
        .collect();
    seeds.extend([&b"SYSV00000000 (deleted)"[..], b"memfd:a b (deleted)"].map(<[u8]>::to_vec));
    seeds
}
