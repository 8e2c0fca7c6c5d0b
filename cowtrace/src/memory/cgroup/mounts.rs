//! Where memory cgroups are mounted, and which one a process is in: /proc/self/mountinfo and
//! /proc/PID/cgroup (proc(5), cgroups(7)).

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use super::usage::{CgroupVersion, MemoryCgroup};
use crate::memory::fields::read_bounded;

/// Machines with many containers have thousands of mounts, of some 300 bytes each.
const MOUNTINFO: u64 = 16 << 20;
/// A line for each hierarchy, with a path of 4 KiB at most.
const CGROUP: u64 = 256 << 10;

/// Where memory cgroups can be read here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupMounts {
    found: Vec<CgroupMount>,
}

/// A mount of a hierarchy that may count memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::memory) struct CgroupMount {
    version: CgroupVersion,
    /// The cgroup that is mounted, as /proc/PID/cgroup gives paths.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

impl CgroupMounts {
    /// Reads where they are mounted; they are nowhere if that cannot be read.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let text = read_bounded(&root.join("self/mountinfo"), MOUNTINFO).unwrap_or_default();
        Self {
            found: cgroup_mounts(&text),
        }
    }

    /// The memory cgroup of a process; none if the process is gone, or its cgroup cannot be seen here.
    #[must_use]
    pub fn of_process(&self, root: &Path, pid: u32) -> Option<MemoryCgroup> {
        let text = read_bounded(&root.join(format!("{pid}/cgroup")), CGROUP).ok()?;
        let (version, path) = memory_path(&text)?;
        let mounts = self.found.iter().filter(|mount| mount.version == version);
        let cgroup = mounts.filter_map(|mount| {
            let folder = below(&path, &mount.root)?;
            Some(MemoryCgroup {
                version,
                top: mount.point.clone(),
                folder,
            })
        });
        // A mount that others have covered has nothing there.
        let is_there = |it: &MemoryCgroup| it.top.join(&it.folder).is_dir();
        Some(cgroup.into_iter().find(is_there)?.that_counts())
    }

    /// The lowest memory cgroup that all these processes are in or below; those that are gone do not
    /// matter. None if they are in different hierarchies, or all gone.
    #[must_use]
    pub fn common_to(&self, root: &Path, pids: &[u32]) -> Option<MemoryCgroup> {
        let mut each = pids.iter().filter_map(|&pid| self.of_process(root, pid));
        let first = each.next()?;
        each.try_fold(first, |common, next| common.common_with(&next))
    }
}

/// The mounts of hierarchies that count memory, by the text of mountinfo.
pub(in crate::memory) fn cgroup_mounts(text: &[u8]) -> Vec<CgroupMount> {
    text.split(|&byte| byte == b'\n')
        .filter_map(cgroup_mount)
        .collect()
}

/// A line: id, parent, device, root, mount point, options, any number of tags, a dash, type, source,
/// options of the file system.
fn cgroup_mount(line: &[u8]) -> Option<CgroupMount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let version = match fields.next()? {
        b"cgroup2" => CgroupVersion::V2,
        b"cgroup" => {
            let options = fields.nth(1)?;
            let mut options = options.split(|&byte| byte == b',');
            options
                .any(|option| option == b"memory")
                .then_some(CgroupVersion::V1)?
        }
        _ => return None,
    };
    Some(CgroupMount {
        version,
        root: path_of(&unescaped(root)),
        point: path_of(&unescaped(point)),
    })
}

/// Where a process's memory is counted, by the text of /proc/PID/cgroup: in a hierarchy of version 1 if
/// one has memory, else in that of version 2.
pub(in crate::memory) fn memory_path(text: &[u8]) -> Option<(CgroupVersion, PathBuf)> {
    let mut of_v2 = None;
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers
            .split(|&byte| byte == b',')
            .any(|it| it == b"memory")
        {
            return Some((CgroupVersion::V1, path_of(path)));
        }
        if id == b"0" && controllers.is_empty() {
            of_v2 = Some(path_of(path.strip_suffix(b" (deleted)").unwrap_or(path)));
        }
    }
    Some((CgroupVersion::V2, of_v2?))
}

/// A cgroup's path below the one that is mounted; none if it does not lie there, or higher than this
/// process may see.
fn below(path: &Path, mounted: &Path) -> Option<PathBuf> {
    let folder = path.strip_prefix(mounted).ok()?;
    let is_name = |part| matches!(part, Component::Normal(_));
    folder.components().all(is_name).then(|| folder.to_owned())
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Spaces, tabs, line ends and backslashes are written in octal.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| octal_byte(after.get(..3)?))
            .flatten();
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    bytes
}

fn octal_byte(digits: &[u8]) -> Option<u8> {
    let is_octal = digits.iter().all(|digit| (b'0'..b'8').contains(digit));
    let digits = str::from_utf8(digits).ok().filter(|_| is_octal)?;
    u8::from_str_radix(digits, 8).ok()
}
