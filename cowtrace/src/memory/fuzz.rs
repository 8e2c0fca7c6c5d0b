//! Fuzzes the decoders of data that a process can influence: its files in /proc, and the files that
//! it maps.

use object::{Object as _, ObjectSegment as _};

use super::{bss, cgroup, files, held, kernel_log, machine, maps, process, program, sockets};
use crate::{
    fuzzing::{Target, Values},
    run::Kind,
};

/// Texts of maps, stat, statm, status, auxv, cgroup, and of the machine's memory and sockets.
pub(crate) const PROC: Target = Target {
    name: "proc",
    run: proc,
    seeds,
    max_bytes: 4 << 10,
    memory: |bytes| 64 * bytes + (1 << 16),
};

/// The offset in the file at which a mapping begins, then the file of a program or library.
pub(crate) const BSS: Target = Target {
    name: "bss",
    run: bss,
    seeds: programs,
    max_bytes: 4 << 10,
    memory: |bytes| 64 * bytes + (1 << 16),
};

const PAGE: u64 = 4096;

/// The expected end, computed without overflow.
fn bss(input: &[u8]) {
    let mut values = Values(input);
    let mapped = values.word();
    let Ok(file) = object::File::parse(values.0) else {
        return;
    };
    let page = i128::from(PAGE);
    let in_memory = |segment: object::Segment<'_, '_>| {
        let (offset, bytes) = segment.file_range();
        let (offset, bytes) = (i128::from(offset), i128::from(bytes));
        let within = i128::from(mapped) - (offset - offset % page);
        let size = i128::from(segment.size()) + i128::from(segment.address() % PAGE);
        let end = (size + page - 1) / page * page - within;
        // A segment that reaches beyond the last address is invalid.
        let is_real = size + page <= 1 << 64 && offset % page + bytes < 1 << 64;
        let is_in = within >= 0 && within < offset % page + bytes;
        (is_in && is_real && end >= 0).then_some(end)
    };
    let expected = file.segments().filter_map(in_memory).last();
    let found = bss::bytes_to_end(&file, mapped, PAGE);
    assert_eq!(found.map(i128::from), expected);
}

/// A minimal program of two segments; the second ends in zeros.
fn programs() -> Vec<Vec<u8>> {
    let segment = |offset: u64, bytes: u64, size: u64| {
        let flags = 1 | 6 << 32;
        let address = offset.wrapping_add(0x40_0000);
        [flags, offset, address, 0, bytes, size, PAGE]
    };
    let program = |segments: [[u64; 7]; 2]| {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3, 0, 62, 0, 1, 0, 0, 0]);
        // Entry, segments, sections; then the sizes of the header and of the two segments.
        let words = [0u64, 64, 0].into_iter().flat_map(u64::to_le_bytes);
        file.extend(words);
        let sizes = [0u16, 0, 64, 56, 2, 64, 0, 0];
        file.extend(sizes.into_iter().flat_map(u16::to_le_bytes));
        file.extend(
            segments
                .iter()
                .flatten()
                .flat_map(|word| word.to_le_bytes()),
        );
        file
    };
    let whole = program([segment(0, 0x1800, 0x1800), segment(0x1900, 0x400, 0x9000)]);
    let huge = program([segment(0, 0x1800, u64::MAX), segment(u64::MAX - 8, 64, 8)]);
    let at = |mapped: u64, file: &[u8]| [&mapped.to_le_bytes(), file].concat();
    vec![
        at(0x1000, &whole),
        at(0, &whole),
        at(0x5000, &whole),
        at(0x1000, &whole[..150]),
        at(u64::MAX, &huge),
        at(0, &huge),
    ]
}

fn proc(input: &[u8]) {
    let _ = process::stat_of(input);
    let _ = process::huge_bytes(input);
    let _ = files::own_names(&String::from_utf8_lossy(input));
    let _ = program::started_by_address(input);
    any_count(input);
    any_text(input);
    any_path(input);
    any_name(input);
}

/// Figures of memory have sums, whatever they are.
fn any_count(input: &[u8]) {
    if let Some((resident, anonymous)) = held::statm_pages(input) {
        assert!(anonymous <= resident);
    }
    let _ = held::held_aside(input);
    if let Some(mut machine) = machine::machine_of(input) {
        machine.per_cpu_lists_bytes = machine::listed_pages(input);
        assert!(machine.used() <= machine.total_bytes);
        let _ = machine.unexplained();
    }
    let _ = sockets::sockets_of(input, PAGE).time_wait_bytes();
    let _ = (cgroup::memory_of_v1(input), cgroup::memory_of_v2(input));
    let _ = (cgroup::cgroup_mounts(input), cgroup::memory_path(input));
    let mut kills = kernel_log::KillReader::default();
    input
        .split(|&byte| byte == 0)
        .for_each(|record| kills.take(record));
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

/// Whatever names a process gives its mappings, none of them is lost or taken for another kind.
fn any_path(input: &[u8]) {
    let line = |start: u64, path: &[u8]| {
        let end = start + 0x1000;
        let head = format!("{start:08x}-{end:08x} rw-p 00002000 fe:00 4242    ");
        [head.as_bytes(), path, b"\n"].concat()
    };
    // The kernel escapes newlines, and paths begin with a slash (`show_map_vma`).
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

/// Nor can its own name hide who its parent is.
fn any_name(input: &[u8]) {
    let rest = b") S 5 1 1 0 -1 4194304 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7";
    let text = [b"42 (", input, rest].concat();
    let found = process::stat_of(&text);
    assert!(found.is_ok_and(|stat| stat.parent == 5));
}

fn seeds() -> Vec<Vec<u8>> {
    let own = [
        "self/maps",
        "self/stat",
        "self/statm",
        "self/status",
        "self/auxv",
        "self/cgroup",
        "self/mountinfo",
        "self/net/sockstat",
        "meminfo",
    ];
    let mut seeds: Vec<Vec<u8>> = own
        .iter()
        .filter_map(|name| std::fs::read(format!("/proc/{name}")).ok())
        .map(|mut text| {
            text.truncate(2 << 10);
            text
        })
        .collect();
    seeds.extend([&b"SYSV00000000 (deleted)"[..], b"memfd:a b (deleted)"].map(<[u8]>::to_vec));
    seeds
}
