//! The path by which a process was started. Its file may have several names: Debian's
//! `redis-server` is a link to `redis-check-rdb`, and mappings are named after the file.

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{
    files::{hold_file, hold_in_folder, hold_named},
    target,
};
use crate::run::Mapping;

/// `AT_EXECFN` of getauxval(3): the address of the path by which the program was started.
const STARTED_BY: u64 = 31;
/// Longer paths are not followed (`PATH_MAX`).
const MAX_PATH: usize = 4096;
/// Most words read from an auxiliary vector: a real one has about twenty pairs.
const MAX_WORDS: usize = 256;

/// The path by which a process's program was started; none if it cannot be read or does not lead to
/// the program (any more), as with a script.
#[must_use]
pub fn started_by(root: &Path, pid: u32) -> Option<PathBuf> {
    let folder = root.join(pid.to_string());
    let address = started_by_address(&fs::read(folder.join("auxv")).ok()?)?;
    let path = PathBuf::from(read_text(pid, address)?);
    // Looked up in the process's own root, because it may run in a container. The process controls
    // the path, which may lead to anything: nothing is opened.
    let named = if path.is_absolute() {
        hold_named(root, Some(pid), path.to_str()?)?
    } else {
        hold_in_folder(&folder.join("cwd"), path.to_str()?)?
    };
    let own = hold_file(&folder.join("exe")).ok()?;
    let (named, own) = (named.metadata().ok()?, own.metadata().ok()?);
    (named.dev() == own.dev() && named.ino() == own.ino()).then_some(path)
}

/// Whether two processes run a program of the same path, which may have been replaced since one of them started.
#[must_use]
pub fn runs_same_program(root: &Path, one: u32, other: u32) -> bool {
    let path = |pid: u32| {
        let path = fs::read_link(root.join(format!("{pid}/exe"))).ok()?;
        let bytes = path.as_os_str().as_bytes();
        Some(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes).to_vec())
    };
    path(one).is_some_and(|one| path(other) == Some(one))
}

/// A program that was started by a link to its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedProgram {
    /// The path of the file, as in maps.
    file: String,
    /// That by which it was started.
    link: String,
}

impl LinkedProgram {
    /// `None` if the process was started by its file's own name, or by a shorter form of it, which says less:
    /// `python3` for `python3.11`.
    #[must_use]
    pub fn of(root: &Path, pid: u32) -> Option<Self> {
        let file = fs::read_link(root.join(pid.to_string()).join("exe")).ok()?;
        let link = started_by(root, pid).filter(|link| link.is_absolute())?;
        let (name, called) = (file.file_name()?.to_str()?, link.file_name()?.to_str()?);
        (!name.starts_with(called)).then_some(())?;
        Some(Self {
            file: file.to_str()?.to_owned(),
            link: link.to_str()?.to_owned(),
        })
    }

    /// Names the mappings of the file by the link.
    pub fn rename(&self, mappings: &mut [Mapping]) {
        let of_file = |mapping: &&mut Mapping| mapping.name == self.file;
        for mapping in mappings.iter_mut().filter(of_file) {
            mapping.name.clone_from(&self.link);
        }
    }
}

/// Pairs of words: a type, and its value (proc(5), auxv).
pub(super) fn started_by_address(vector: &[u8]) -> Option<u64> {
    let words = vector.chunks_exact(8).take(MAX_WORDS);
    let words: Vec<u64> = words
        .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
        .collect();
    let pair = words.chunks_exact(2).find(|pair| pair[0] == STARTED_BY)?;
    Some(pair[1])
}

/// Text up to a NUL byte, read page by page: it may lie at the very end of its mapping.
fn read_text(pid: u32, address: u64) -> Option<String> {
    let mut text = Vec::new();
    while text.len() < MAX_PATH {
        let at = address.checked_add(text.len() as u64)?;
        let mut piece = vec![0; MAX_PATH - usize::try_from(at).ok()? % MAX_PATH];
        if !target::read_target(pid, at, &mut piece) {
            return None;
        }
        if let Some(end) = piece.iter().position(|&byte| byte == 0) {
            text.extend(&piece[..end]);
            return String::from_utf8(text).ok();
        }
        text.extend(piece);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::read_mappings;
    use std::{os::unix::fs::symlink, process::Command, thread, time::Duration};

    #[test]
    fn a_program_is_known_by_the_link_it_was_started_by() {
        let link = std::env::temp_dir().join(format!("cowtrace-link-{}", std::process::id()));
        symlink("/bin/sleep", &link).unwrap();
        let mut child = Command::new(&link).arg("60").spawn().unwrap();
        // A process exists before all of its memory is set up.
        let look = || started_by(Path::new("/proc"), child.id());
        let linked = || LinkedProgram::of(Path::new("/proc"), child.id());
        let found = (0..1000).find_map(|_| {
            thread::sleep(Duration::from_millis(1));
            look()
        });
        let program = linked();
        fs::remove_file(&link).unwrap();
        symlink("/bin/cat", &link).unwrap();
        let lost = look();
        fs::remove_file(&link).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.as_ref(), Some(&link));
        let program = program.unwrap();
        let maps = format!("1000-2000 r-xp 0 fe:00 1 {}", program.file);
        let mut mappings = read_mappings(maps.as_bytes()).unwrap();
        program.rename(&mut mappings);
        assert_eq!(Path::new(&mappings[0].name), link);
        assert_eq!(lost, None, "the link leads to another program");
    }

    #[test]
    fn a_vector_without_it_or_cut_short_has_no_address() {
        let vector = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let whole = vector(&[6, 4096, STARTED_BY, 0x7fff_0000, 0, 0]);
        assert_eq!(started_by_address(&whole), Some(0x7fff_0000));
        assert_eq!(started_by_address(&whole[..28]), None);
        assert_eq!(started_by_address(&vector(&[6, STARTED_BY])), None);
    }

    #[test]
    fn text_is_read_to_its_end_and_not_past_the_mapping() {
        let text = "x".repeat(3000) + "\0";
        let pid = std::process::id();
        assert_eq!(
            read_text(pid, text.as_ptr() as u64).map(|it| it.len()),
            Some(3000)
        );
        let endless = vec![b'x'; 3 * MAX_PATH];
        assert_eq!(read_text(pid, endless.as_ptr() as u64), None);
        assert_eq!(read_text(pid, 8), None);
    }
}
