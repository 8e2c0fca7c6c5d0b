//! How a process that is not our child exited, and how many processes the kernel killed for lack of
//! memory.

use std::{
    fs,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
};

use super::process::{Identity, read_identity, stat_field};
use crate::run::exit::Ending;

/// The position of `exit_code` after the name in /proc/PID/stat (field 52 in proc(5), where the
/// name is field 2).
const EXIT_CODE: usize = 49;
/// `PIDFD_INFO_EXIT` of include/uapi/linux/pidfd.h, since Linux 6.15.
const INFO_EXIT: u64 = 1 << 3;

/// The first version of `struct pidfd_info`.
#[repr(C)]
#[derive(Debug, Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

// `PIDFD_GET_INFO`, from the same header.
nix::ioctl_readwrite!(pidfd_get_info, 0xff, 11, PidfdInfo);

/// A process whose exit will be looked up.
#[derive(Debug)]
pub struct Watched {
    identity: Identity,
    /// Its pidfd; none before Linux 5.3.
    pidfd: Option<OwnedFd>,
}

impl Watched {
    /// Call it while the process is alive.
    #[must_use]
    pub fn new(root: &Path, pid: u32) -> Option<Self> {
        let raw = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
        let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty());
        Some(Self {
            identity: read_identity(root, pid).ok()?,
            pidfd: pidfd.ok(),
        })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// How it exited; none if it has not, or if that is unknown because its parent has reaped it
    /// and the kernel is older than Linux 6.15.
    #[must_use]
    pub fn ending(&self, root: &Path) -> Option<Ending> {
        self.as_zombie(root).or_else(|| self.by_kernel())
    }

    /// From /proc, until its parent reaps it.
    fn as_zombie(&self, root: &Path) -> Option<Ending> {
        let pid = self.identity.pid;
        let now = read_identity(root, pid).ok()?;
        if !now.is_dead || now.started_ticks != self.identity.started_ticks {
            return None;
        }
        let stat = fs::read(root.join(pid.to_string()).join("stat")).ok()?;
        Ending::from_wait_status(stat_field(&stat, EXIT_CODE)?)
    }

    /// From the kernel, which keeps the status for holders of a pidfd.
    fn by_kernel(&self) -> Option<Ending> {
        let mut info = PidfdInfo {
            mask: INFO_EXIT,
            ..PidfdInfo::default()
        };
        let pidfd = self.pidfd.as_ref()?.as_raw_fd();
        // SAFETY: the descriptor is open, and the kernel fills at most the structure's size, which is
        // part of the request's number.
        unsafe { pidfd_get_info(pidfd, &raw mut info) }.ok()?;
        if info.mask & INFO_EXIT == 0 {
            return None;
        }
        Ending::from_wait_status(info.exit_code)
    }
}

/// Processes that the kernel has killed for lack of memory since boot, in all control groups
/// (/proc/vmstat); none on kernels before 4.13.
#[must_use]
pub fn oom_kills(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("vmstat")).ok()?;
    let line = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(line)
}

#[cfg(test)]
mod tests {
    use std::{
        process::Command,
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn the_end_of_a_child_is_known_before_it_is_taken_and_afterwards() {
        let root = Path::new("/proc");
        for (script, expected) in [
            ("read x; exit 7", Ending::Status(7)),
            ("read x; kill -9 $$", Ending::Signal(9)),
        ] {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let watched = Watched::new(root, child.id()).unwrap();
            assert_eq!(watched.ending(root), None, "it lives");
            drop(child.stdin.take());
            let begun = Instant::now();
            let ending = loop {
                match watched.ending(root) {
                    None if begun.elapsed() < Duration::from_secs(30) => {
                        thread::sleep(Duration::from_millis(1));
                    }
                    ending => break ending,
                }
            };
            assert_eq!(ending, Some(expected), "a zombie");
            child.wait().unwrap();
            let afterwards = watched.ending(root);
            // Kernels before 6.15 do not know.
            assert!(afterwards.is_none() || afterwards == Some(expected));
        }
    }

    #[test]
    fn the_kernels_count_is_found_among_others() {
        let root = std::env::temp_dir().join(format!("cowtrace-vmstat-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        assert_eq!(oom_kills(&root), None);
        fs::write(root.join("vmstat"), "pgfault 7\noom_kill 3\noom_killer 9\n").unwrap();
        assert_eq!(oom_kills(&root), Some(3));
        fs::write(root.join("vmstat"), "pgfault 7\n").unwrap();
        assert_eq!(oom_kills(&root), None);
        fs::remove_dir_all(root).unwrap();
    }
}
