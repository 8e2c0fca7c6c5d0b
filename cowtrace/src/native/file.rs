//! Names of code addresses in a program or library, from its symbols and debug information.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    ops::Range,
    os::{
        fd::AsRawFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::PathBuf,
};

use blazesym::symbolize::{
    Input, Symbolized, Symbolizer,
    source::{Elf, Source},
};
use nix::{
    libc,
    sys::memfd::{MFdFlags, memfd_create},
};
use object::{Object, ObjectSegment as _, ReadCache};

use super::{
    question::{CodePlace, Name, UnnamedStart},
    unnamed::Functions,
    unwind::Unwind,
};

/// Where distributions put debug information, by build id.
const DEBUG_FOLDER: &str = "/usr/lib/debug/.build-id";
/// Longest build id, bytes.
const MAX_BUILD_ID: usize = 64;
/// Largest file that is copied to be read, bytes.
const MAX_COPIED_BYTES: u64 = 512 << 20;
/// Longer names are cut, characters.
const MAX_NAME: usize = 512;
/// Of longer lists of inlined functions only the inner ones are kept.
const MAX_INLINED: usize = 32;

/// Opens a held file. Only a regular one: opening others can have side effects.
pub(super) fn reopen_held(holder: u32, descriptor: i32) -> Option<File> {
    let held = hold_bytes(holder, descriptor).ok()?;
    if !held.metadata().ok()?.is_file() {
        return None;
    }
    open_held(&held).ok()
}

/// Duplicates a descriptor that another process holds; the file itself is not opened.
pub(super) fn hold_bytes(holder: u32, descriptor: i32) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH);
    options.open(format!("/proc/{holder}/fd/{descriptor}"))
}

/// Opens a held file for reading.
pub(super) fn open_held(held: &File) -> io::Result<File> {
    File::open(path_to_reopen(held))
}

/// The path by which a held file can be opened again, whatever its name refers to.
pub(super) fn path_to_reopen(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A copy of an open file in memory, if the file cannot be opened once more: without capabilities
/// it cannot, if only its owner may read it.
fn copy_unless_openable(file: &File) -> Option<File> {
    let error = File::open(path_to_reopen(file)).err()?;
    if error.kind() != io::ErrorKind::PermissionDenied {
        return None;
    }
    copy_in_memory(file).ok()
}

fn copy_in_memory(mut file: &File) -> io::Result<File> {
    if file.metadata()?.len() > MAX_COPIED_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let create = |more| memfd_create(c"code", MFdFlags::MFD_CLOEXEC | more);
    // Before Linux 6.3 there are only those that can be executed.
    let not_executable = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let copy = create(not_executable).or_else(|_| create(MFdFlags::empty()))?;
    let mut copy = File::from(copy);
    file.rewind()?;
    // It may grow meanwhile.
    io::copy(&mut file.take(MAX_COPIED_BYTES), &mut copy)?;
    Ok(copy)
}

/// Names code by its offsets in a file, in the same order.
pub(super) fn name_places(file: &File, places: &[CodePlace]) -> Option<Vec<Name>> {
    let copy = copy_unless_openable(file);
    let file = copy.as_ref().unwrap_or(file);
    let cache = ReadCache::new(file.try_clone().ok()?);
    let elf = object::File::parse(&cache).ok()?;
    let segments = Segments::of(&elf);
    let unwind = Unwind::of(&elf);
    let beginnings = Functions::of(&elf);
    let build_id = build_id(&elf);
    // The instruction that wrote, or called.
    let addresses: Vec<Option<u64>> = places
        .iter()
        .map(|place| {
            let before = u64::from(place.is_return);
            segments.address(place.at.checked_sub(before)?)
        })
        .collect();
    let known: Vec<u64> = addresses.iter().flatten().copied().collect();
    let mut functions = functions_at(file, &elf, &known).into_iter();
    let name = |address: Option<u64>| {
        let Some(address) = address else {
            return Name::default();
        };
        let mut name = functions.next().flatten().unwrap_or_default();
        if name.function.is_none() {
            let start = beginnings.as_ref().and_then(|it| it.around(address));
            name.begins = start.and_then(|start| {
                let at = segments.offset(start.at)?;
                Some(UnnamedStart { at, ..start })
            });
            name.build_id.clone_from(&build_id);
        }
        if let Some(unwind) = &unwind {
            name.caller = unwind.caller(address);
        }
        name
    };
    Some(addresses.into_iter().map(name).collect())
}

/// Functions by their addresses in the file. Symbols have the full names, and decide between
/// several functions at one address. Debug information, which may be in a separate file, has
/// functions without a symbol, and inlined ones.
fn functions_at<'a>(file: &File, elf: &impl Object<'a>, addresses: &[u64]) -> Vec<Option<Name>> {
    let mut own = Elf::new(path_to_reopen(file));
    own.debug_syms = false;
    let names = symbols_at(own, addresses);
    let Some(with_debug) = with_debug(file, elf) else {
        return names;
    };
    let by_debug = symbols_at(with_debug, addresses);
    let both = names.into_iter().zip(by_debug);
    both.map(|(name, by_debug)| match (name, by_debug) {
        (Some(name), Some(by_debug)) => Some(Name {
            inlined: by_debug.inlined,
            ..name
        }),
        (name, by_debug) => name.or(by_debug),
    })
    .collect()
}

/// The file with debug information.
fn with_debug<'a>(file: &File, elf: &impl Object<'a>) -> Option<Elf> {
    if let Some(path) = debug_file(elf) {
        return Some(Elf::new(path));
    }
    // A file's links could name any file to be opened, so they are not followed.
    let has_own = elf.section_by_name(".debug_info").is_some() && !has_links(elf);
    has_own.then(|| Elf::new(path_to_reopen(file)))
}

fn has_links<'a>(elf: &impl Object<'a>) -> bool {
    let sections = [".gnu_debuglink", ".gnu_debugaltlink", ".debug_sup"];
    sections
        .iter()
        .any(|name| elf.section_by_name(name).is_some())
}

/// In hexadecimal.
fn build_id<'a>(elf: &impl Object<'a>) -> Option<String> {
    let id = elf.build_id().ok()??;
    let mut hex = String::new();
    for byte in id.iter().take(MAX_BUILD_ID) {
        write!(hex, "{byte:02x}").ok()?;
    }
    Some(hex)
}

/// The separate file with this file's debug information, if root has installed it.
fn debug_file<'a>(elf: &impl Object<'a>) -> Option<PathBuf> {
    let hex = build_id(elf)?;
    let (folder, name) = hex.split_at_checked(2)?;
    let path = PathBuf::from(format!("{DEBUG_FOLDER}/{folder}/{name}.debug"));
    let found = fs::metadata(&path).ok()?;
    (found.is_file() && found.uid() == 0).then_some(path)
}

/// In order of address.
fn symbols_at(elf: Elf, addresses: &[u64]) -> Vec<Option<Name>> {
    let symbolizer = Symbolizer::builder()
        .enable_auto_reload(false)
        .enable_code_info(elf.debug_syms)
        .enable_inlined_fns(elf.debug_syms)
        .build();
    let source = Source::Elf(elf);
    let found = symbolizer.symbolize(&source, Input::VirtOffset(addresses));
    let mut names: Vec<Option<Name>> = found
        .unwrap_or_default()
        .iter()
        .map(name_of_symbol)
        .collect();
    names.resize(addresses.len(), None);
    names
}

fn name_of_symbol(symbolized: &Symbolized<'_>) -> Option<Name> {
    let symbol = symbolized.as_sym()?;
    // Listed from the outermost one on.
    let inlined = symbol.inlined.iter().rev().take(MAX_INLINED);
    Some(Name {
        function: Some(shorten_name(&symbol.name)),
        inlined: inlined
            .map(|function| shorten_name(&function.name))
            .collect(),
        ..Name::default()
    })
}

pub(super) fn shorten_name(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Which part of a file is mapped where.
pub(super) struct Segments(Vec<(Range<u64>, u64)>);

impl Segments {
    pub(super) fn of<'a>(elf: &impl Object<'a>) -> Self {
        Self(
            elf.segments()
                .filter_map(|segment| {
                    let (start, bytes) = segment.file_range();
                    Some((start..start.checked_add(bytes)?, segment.address()))
                })
                .collect(),
        )
    }

    /// The address in the file's own numbering of an offset.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        let (range, address) = self.0.iter().find(|(range, _)| range.contains(&offset))?;
        address.checked_add(offset - range.start)
    }

    /// The offset of an address in the file's own numbering.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        self.0.iter().find_map(|(range, start)| {
            let offset = range.start.checked_add(address.checked_sub(*start)?)?;
            range.contains(&offset).then_some(offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::{sys::stat::Mode, unistd::mkfifo};

    fn held(path: &std::path::Path) -> File {
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(libc::O_PATH);
        options.open(path).unwrap()
    }

    #[test]
    fn only_regular_files_are_opened() {
        let path = std::env::temp_dir().join(format!("cowtrace-fifo-{}", std::process::id()));
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let fifo = held(&path);
        let holder = std::process::id();
        // Opening it would wait for a writer.
        assert!(reopen_held(holder, fifo.as_raw_fd()).is_none());
        fs::remove_file(path).unwrap();
        assert!(reopen_held(holder, held("/dev/null".as_ref()).as_raw_fd()).is_none());
        assert!(reopen_held(holder, held("/".as_ref()).as_raw_fd()).is_none());
        assert!(reopen_held(holder, held("/proc/self/exe".as_ref()).as_raw_fd()).is_some());
    }

    #[test]
    fn what_is_no_program_has_no_names() {
        let place = CodePlace {
            at: 0,
            is_return: true,
        };
        let file = File::open("/proc/self/status").unwrap();
        assert!(name_places(&file, &[place]).is_none());
        let file = File::open("/proc/self/exe").unwrap();
        let names = name_places(&file, &[place]).unwrap();
        assert_eq!(names, [Name::default()]);
    }

    /// The C library is a file that has names.
    #[test]
    fn a_file_that_only_its_owner_may_read_is_read_without_capabilities() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut paths = maps.lines().filter_map(|line| line.split(' ').next_back());
        let Some(library) = paths.find(|path| path.ends_with("/libc.so.6")) else {
            println!("SKIPPED reading without capabilities: the C library is linked in");
            return;
        };
        let scratch = crate::scratch::Scratch::new("unreadable");
        let path = scratch.path("libc.so.6");
        fs::copy(library, &path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        let bytes = fs::read(&path).unwrap();
        let elf = object::File::parse(bytes.as_slice()).unwrap();
        let symbol = super::super::offsets_in(&elf, &["malloc".into()])[0].unwrap();
        let place = CodePlace {
            at: Segments::of(&elf).offset(symbol).unwrap(),
            is_return: false,
        };
        let file = File::open(&path).unwrap();
        let (open, names) = std::thread::spawn(move || {
            crate::itself::privileges::renounce_capabilities().unwrap();
            (
                File::open(path_to_reopen(&file)),
                name_places(&file, &[place]),
            )
        })
        .join()
        .unwrap();
        assert_eq!(open.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let name = names.unwrap().remove(0);
        assert!(name.function.is_some_and(|name| name.contains("malloc")));
    }

    #[test]
    fn long_names_are_cut() {
        let long = "ä".repeat(MAX_NAME + 1);
        assert_eq!(shorten_name(&long).chars().count(), MAX_NAME + 1);
        assert_eq!(shorten_name("main"), "main");
    }
}
