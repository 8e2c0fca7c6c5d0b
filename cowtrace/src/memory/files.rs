//! Files of a process, held as the process itself sees them and read later, when the process or its
//! file system may be gone.
//!
//! They are held by `O_PATH`, which opens and reads nothing: drivers and file systems may belong to
//! the target and never answer. A separate process reads them (`native`), after checking that they
//! are regular files and the expected ones.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    libc,
};

use super::fields::read_bounded;

/// Most bytes of `mountinfo` that are read: a process's root is among its first mounts.
const MOUNTINFO: u64 = 1 << 20;

/// The file that a process has mapped at exactly these addresses, whatever its name refers to now.
/// Needs `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`.
#[must_use]
pub fn hold_mapped(root: &Path, pid: u32, start: u64, end: u64) -> Option<File> {
    hold_file(&root.join(format!("{pid}/map_files/{start:x}-{end:x}"))).ok()
}

/// What a process has as its root: a device, and a folder on it, by `mountinfo`; equal for equal roots. The file system
/// itself is not asked: it may never answer. `None` if the root is no mount of its own (chroot), or cannot be read.
#[must_use]
pub fn root_identity(root: &Path, pid: u32) -> Option<String> {
    let text = read_bounded(&root.join(format!("{pid}/mountinfo")), MOUNTINFO).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut found = text.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(2);
        let (device, folder, at) = (fields.next()?, fields.next()?, fields.next()?);
        (at == "/").then(|| format!("{device} {folder}"))
    });
    // A later one hides those before it.
    found.next_back()
}

/// A process's root folder.
#[must_use]
pub fn hold_root(root: &Path, pid: u32) -> Option<File> {
    hold_file(&root.join(format!("{pid}/root"))).ok()
}

/// The file with this name in a process's mount namespace and root, or in cowtrace's own. It may
/// not be the file that the process means.
#[must_use]
pub fn hold_named(root: &Path, pid: Option<u32>, name: &str) -> Option<File> {
    let folder = match pid {
        Some(pid) => hold_file(&root.join(format!("{pid}/root"))).ok()?,
        None => hold_file(Path::new("/")).ok()?,
    };
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    hold_in(&folder, name, resolve).ok()
}

/// The file with this name relative to a folder, which may be a process's root. It may not be the
/// file that the process means.
pub(super) fn hold_in_folder(folder: &Path, name: &str) -> Option<File> {
    let folder = hold_file(folder).ok()?;
    hold_in(&folder, name, ResolveFlag::RESOLVE_NO_MAGICLINKS).ok()
}

/// A process's perf map, in which it describes code that it made, and the user it runs as.
///
/// This is `/tmp/perf-PID.map` in the process's own `/tmp` and with its own pid. A link is not
/// followed but gives the error `ELOOP`. None if there is no such file, or the process has exited.
pub fn hold_perf_map(root: &Path, pid: u32) -> io::Result<Option<(File, u32)>> {
    let status = fs::read_to_string(root.join(format!("{pid}/status"))).ok();
    let Some((own_pid, owner)) = status.and_then(|status| own_names(&status)) else {
        return Ok(None);
    };
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let name = format!("tmp/perf-{own_pid}.map");
    let folder = hold_file(&root.join(format!("{pid}/root")));
    match folder.and_then(|folder| hold_in(&folder, &name, resolve)) {
        Ok(file) => Ok(Some((file, owner))),
        // Missing; or the process has exited; or somebody is moving folders right now.
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ESRCH | libc::EAGAIN) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The pid of a process in its innermost pid namespace, and its effective user in cowtrace's user
/// namespace.
pub(super) fn own_names(status: &str) -> Option<(u32, u32)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // Kernels without pid namespaces do not have the line.
    let pid = field("NSpid:").or_else(|| field("Pid:"))?;
    let pid = pid.split_ascii_whitespace().next_back()?.parse().ok()?;
    let owner = field("Uid:")?.split_ascii_whitespace().nth(1)?.parse();
    Some((pid, owner.ok()?))
}

pub(super) fn hold_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH);
    options.open(path)
}

fn hold_in(folder: &File, name: &str, resolve: ResolveFlag) -> io::Result<File> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(resolve);
    Ok(openat2(folder, name, how).map(File::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn a_root_is_known_by_its_device_and_folder() {
        let scratch = crate::scratch::Scratch::new("roots");
        let identity = |text: &str| {
            fs::create_dir_all(scratch.path("7")).unwrap();
            fs::write(scratch.path("7/mountinfo"), text).unwrap();
            root_identity(scratch.folder(), 7)
        };
        let host = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /dev rw - devtmpfs udev rw\n";
        assert_eq!(identity(host).as_deref(), Some("8:1 /"));
        let hidden = "1 1 0:2 / / rw - rootfs rootfs rw\n22 1 8:1 /@ / rw - btrfs /dev/sda1 rw\n";
        assert_eq!(identity(hidden).as_deref(), Some("8:1 /@"));
        assert_eq!(
            identity("23 22 0:5 / /dev rw - devtmpfs udev rw\nx\n"),
            None
        );
        assert_eq!(root_identity(scratch.folder(), 8), None);
        let own = root_identity(Path::new("/proc"), std::process::id());
        assert!(own.is_some_and(|it| it.contains(':')));
        assert!(hold_root(Path::new("/proc"), std::process::id()).is_some());
    }

    #[test]
    fn a_mapped_file_is_held_by_its_mapping_and_by_its_name() {
        let (root, pid) = (Path::new("/proc"), std::process::id());
        let text = memory::read_layout_text(root, pid).unwrap();
        let here = hold_mapped as fn(&Path, u32, u64, u64) -> Option<File> as usize as u64;
        let mapped = memory::read_mapped_files(&text).unwrap();
        let (mapping, file) = mapped.iter().find(|(it, _)| it.contains(here)).unwrap();
        let inode = file.unwrap().inode;
        for held in [
            hold_mapped(root, pid, mapping.start, mapping.end),
            hold_named(root, Some(pid), &mapping.name),
            hold_named(root, None, &mapping.name),
        ] {
            // Without the right to open mapped files, their names are used.
            let Some(held) = held else { continue };
            assert_eq!(held.metadata().unwrap().ino(), inode);
        }
        assert!(hold_named(root, None, &mapping.name).is_some());
        assert!(hold_mapped(root, pid, 1, 2).is_none());
    }

    #[test]
    fn no_link_leads_to_a_perf_map() {
        let top = std::env::temp_dir().join(format!("cowtrace-perf-{}", std::process::id()));
        let temp = top.join("42/root/tmp");
        fs::create_dir_all(&temp).unwrap();
        fs::write(top.join("42/status"), "Uid:\t7\t7\t7\t7\nNSpid:\t42\t3\n").unwrap();
        let map = temp.join("perf-3.map");
        let is_link = || {
            let error = hold_perf_map(&top, 42).unwrap_err();
            error.raw_os_error() == Some(libc::ELOOP)
        };
        assert!(hold_perf_map(&top, 42).unwrap().is_none());
        assert!(hold_perf_map(&top, 43).unwrap().is_none());
        symlink("/etc/hostname", &map).unwrap();
        assert!(is_link());
        fs::remove_file(&map).unwrap();
        fs::write(&map, "1000 10 f\n").unwrap();
        let (file, owner) = hold_perf_map(&top, 42).unwrap().unwrap();
        assert!(owner == 7 && file.metadata().unwrap().len() == 10);
        fs::rename(&temp, top.join("elsewhere")).unwrap();
        symlink(top.join("elsewhere"), &temp).unwrap();
        assert!(is_link());
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn a_process_is_known_by_the_number_it_knows_itself() {
        let status = "Name:\tnode\nPid:\t4242\nUid:\t1000\t1001\t1000\t1000\nNSpid:\t4242\t17\t3\n";
        assert_eq!(own_names(status), Some((3, 1001)));
        assert_eq!(own_names("Pid:\t42\nUid:\t0\t0\t0\t0\n"), Some((42, 0)));
        assert_eq!(own_names("Pid:\tx\n"), None);
    }
}
