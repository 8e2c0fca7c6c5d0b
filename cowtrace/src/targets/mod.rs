//! Which processes to trace: those that the user gave, by pid, pattern, cgroup, unit or container, or a command to
//! start. A watch finds those that come later.

mod cgroups;
mod error;
mod list;
mod masters;
mod spawn;
mod wanted;
mod watch;

use std::{fs, path::Path};

use crate::{memory, run::UntracedDonor};

pub use cgroups::container_id;
pub use error::TargetError;
pub use list::list_prefork_trees;
pub use masters::FoundMaster;
pub use spawn::{Command, SpawnError};
pub use wanted::{ContainerPrefix, MOST_TARGETS, Pattern, Target, UnitName, Wanted, named_targets};
pub use watch::{SeenMembers, TargetChange, TargetWatch};

/// Checks that a pid is a process that can be traced.
pub fn check_target(root: &Path, pid: u32) -> Result<(), TargetError> {
    if !root.join("self/stat").exists() {
        return Err(TargetError::NoProc);
    }
    let identity = memory::read_identity(root, pid).map_err(|_| TargetError::NoSuchProcess(pid))?;
    if identity.is_kernel_thread {
        let comm = memory::read_comm(root, pid).escape_debug().to_string();
        return Err(TargetError::KernelThread { pid, comm });
    }
    if identity.is_dead {
        return Err(TargetError::Dead(pid));
    }
    match thread_group(root, pid) {
        Some(group) if group != pid => Err(TargetError::Thread {
            tid: pid,
            pid: group,
        }),
        _ => Ok(()),
    }
}

/// The process that the user may have meant: a target that was forked, and has started no program since, is itself a
/// worker, and the memory that it inherited belongs to the one that forked it.
#[must_use]
pub fn untraced_donor(root: &Path, pid: u32, targets: &[u32]) -> Option<UntracedDonor> {
    let target = memory::read_identity(root, pid).ok()?;
    let donor = memory::donor_of(root, pid)?;
    let program = |pid: u32| fs::read_link(root.join(pid.to_string()).join("exe")).ok();
    // One that has loaded more than it inherited is a master of its own, such as a mold below its monitor.
    let has_little = memory::anonymous_pages(root, donor) * 2 < memory::anonymous_pages(root, pid);
    if targets.contains(&donor) || has_little || program(donor)? != program(pid)? {
        return None;
    }
    Some(UntracedDonor {
        pid,
        donor_pid: donor,
        donor_comm: memory::read_comm(root, donor),
        is_parent: donor == target.parent,
    })
}

fn thread_group(root: &Path, pid: u32) -> Option<u32> {
    let status = fs::read(root.join(pid.to_string()).join("status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_is_nobody_is_said_to_be_nobody() {
        let root = Path::new("/proc");
        assert_eq!(
            check_target(root, u32::MAX),
            Err(TargetError::NoSuchProcess(u32::MAX))
        );
        assert_eq!(check_target(root, std::process::id()), Ok(()));
    }

    #[test]
    fn a_thread_is_told_from_its_process() {
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(nix::unistd::gettid()).unwrap();
            let _ = stopped.recv();
        });
        let tid = receive.recv().unwrap().as_raw().unsigned_abs();
        let pid = std::process::id();
        assert_eq!(
            check_target(Path::new("/proc"), tid),
            Err(TargetError::Thread { tid, pid })
        );
        drop(stop);
        thread.join().unwrap();
    }
}
