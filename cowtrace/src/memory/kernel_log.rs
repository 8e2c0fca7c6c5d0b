//! Whom the kernel killed for lack of what: its log (Documentation/ABI/testing/dev-kmsg).

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::fields::number_of;
use crate::run::KilledBy;

/// The kernel gives a record whole or not at all, and none is longer.
const RECORD: usize = 8 << 10;
/// Records that are read at one time: a kill writes about a hundred.
const MOST_RECORDS: usize = 1 << 16;
/// Kills that are kept.
const MOST_KILLS: usize = 1 << 12;

/// A process that the kernel killed for lack of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedKill {
    /// Its id, in the initial pid namespace.
    pub pid: u32,
    /// What had no memory left.
    pub by: KilledBy,
}

/// The kernel's log from a moment on.
#[derive(Debug)]
pub struct KernelLog {
    file: File,
    kills: KillReader,
}

impl KernelLog {
    /// Opens it, to read what comes from now on; none if that is not allowed here.
    #[must_use]
    pub fn open() -> Option<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(nix::libc::O_NONBLOCK);
        let mut file = options.open(Path::new("/dev/kmsg")).ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(Self {
            file,
            kills: KillReader::default(),
        })
    }

    /// The kills so far.
    pub fn kills(&mut self) -> &[LoggedKill] {
        let mut record = [0; RECORD];
        for _ in 0..MOST_RECORDS {
            match self.file.read(&mut record) {
                Ok(0) => break,
                Ok(length) => self.kills.take(record.get(..length).unwrap_or_default()),
                // Records that were overwritten before they were read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(_) => break,
            }
        }
        &self.kills.found
    }
}

/// Finds kills in records, which come in order.
#[derive(Debug, Default)]
pub(super) struct KillReader {
    found: Vec<LoggedKill>,
    /// The limit of the cgroup that the last report of a cgroup's memory was of, bytes.
    limit_bytes: Option<u64>,
}

impl KillReader {
    /// Takes in a record: `priority,number,time,flags;text`. Programs may write others than the kernel's.
    pub(super) fn take(&mut self, record: &[u8]) {
        let mut parts = record.splitn(2, |&byte| byte == b';');
        let (Some(head), Some(text)) = (parts.next(), parts.next()) else {
            return;
        };
        let priority = head.split(|&byte| byte == b',').next().and_then(number_of);
        let text = text.split(|&byte| byte == b'\n').next();
        // Its facility is 0; the three lowest bits say how urgent it is.
        if priority.is_none_or(|it| it >> 3 != 0) || self.found.len() >= MOST_KILLS {
            return;
        }
        let Some(text) = text.and_then(|text| str::from_utf8(text).ok()) else {
            return;
        };
        if let Some(usage) = text.strip_prefix("memory: usage ") {
            self.limit_bytes = limit_of(usage);
        } else if let Some(kill) = text.strip_prefix("oom-kill:") {
            let limit_bytes = self.limit_bytes.take();
            self.found.extend(kill_of(kill, limit_bytes));
        } else if let Some(killed) =
            text.strip_prefix("Memory cgroup out of memory: Killed process ")
        {
            self.add_unnamed(killed);
        }
    }

    /// A kill of which the kernel wrote no more: it reports ten in five seconds at most.
    fn add_unnamed(&mut self, killed: &str) {
        let pid = killed.split(' ').next().and_then(|pid| pid.parse().ok());
        let last = self.found.last().map(|it| it.pid);
        let by = KilledBy::Limit {
            cgroup: None,
            limit_bytes: None,
        };
        let kill = pid.map(|pid| LoggedKill { pid, by });
        self.found.extend(kill.filter(|it| Some(it.pid) != last));
    }
}

/// `16384kB, limit 16384kB, failcnt 47`.
fn limit_of(usage: &str) -> Option<u64> {
    let limit = usage.split(", ").find_map(|it| it.strip_prefix("limit "))?;
    let kib = number_of(limit.strip_suffix("kB")?.as_bytes())?;
    kib.checked_mul(1024)
}

/// `constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=dd,pid=7,uid=0`.
/// A limit to some nodes of the machine is neither.
fn kill_of(text: &str, limit_bytes: Option<u64>) -> Option<LoggedKill> {
    // Names may have commas in them; after the last one stand only numbers.
    let (before, rest) = text.rsplit_once(",pid=")?;
    let pid = rest.split(',').next()?.parse().ok()?;
    let constraint = before.strip_prefix("constraint=")?.split(',').next()?;
    let by = match constraint {
        "CONSTRAINT_NONE" => KilledBy::Machine,
        "CONSTRAINT_MEMCG" => {
            let (_, cgroup) = before.split_once(",oom_memcg=")?;
            let cgroup = cgroup.split(",task_memcg=").next()?;
            KilledBy::Limit {
                cgroup: Some(cgroup.to_owned()),
                limit_bytes,
            }
        }
        _ => return None,
    };
    Some(LoggedKill { pid, by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kills(records: &[&str]) -> Vec<LoggedKill> {
        let mut reader = KillReader::default();
        for record in records {
            reader.take(record.as_bytes());
        }
        reader.found
    }

    fn by_limit(pid: u32, cgroup: Option<&str>, limit_bytes: Option<u64>) -> LoggedKill {
        let cgroup = cgroup.map(str::to_owned);
        LoggedKill {
            pid,
            by: KilledBy::Limit {
                cgroup,
                limit_bytes,
            },
        }
    }

    /// As Linux 6.18 writes it.
    const USAGE: &str = "6,5153,71101385972,-;memory: usage 16384kB, limit 16384kB, failcnt 47\n";
    const OF_GROUP: &str = "6,5202,71101386100,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,\
                            mems_allowed=0,oom_memcg=/h2t,task_memcg=/h2t/a,task=dd,pid=1493,uid=0\n";
    const KILLED: &str = "3,5203,71101386121,-;Memory cgroup out of memory: Killed process 1493 (dd) \
                          total-vm:68512kB, anon-rss:16256kB\n";
    const OF_MACHINE: &str = "6,9,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,\
                              global_oom,task_memcg=/,task=a,pid=1,task,pid=77,uid=0\n";

    #[test]
    fn a_cgroups_kill_is_its_limits_and_others_are_the_machines() {
        let group = by_limit(1493, Some("/h2t"), Some(16 << 20));
        assert_eq!(
            kills(&[USAGE, OF_GROUP, KILLED]),
            std::slice::from_ref(&group)
        );
        let machine = LoggedKill {
            pid: 77,
            by: KilledBy::Machine,
        };
        assert_eq!(kills(&[OF_MACHINE]), std::slice::from_ref(&machine));
        assert_eq!(
            kills(&[USAGE, OF_GROUP, KILLED, OF_MACHINE]),
            [group, machine]
        );
        // The kernel wrote no more of it.
        assert_eq!(kills(&[KILLED]), [by_limit(1493, None, None)]);
        let of_nodes = OF_MACHINE.replace("CONSTRAINT_NONE", "CONSTRAINT_CPUSET");
        assert_eq!(kills(&[&of_nodes]), []);
    }

    #[test]
    fn what_a_program_writes_into_the_log_is_not_believed() {
        let forged = OF_GROUP.replacen("6,", "14,", 1);
        assert_eq!(kills(&[&forged]), []);
        let continued = format!("6,1,1,-;text\n SUBSYSTEM={}", &OF_GROUP[2..]);
        assert_eq!(kills(&[&continued]), []);
    }

    proptest! {
        #[test]
        fn hostile_records_are_no_crash(
            at in 0usize..200, bytes in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut record = OF_GROUP.as_bytes().to_vec();
            let at = at % record.len();
            let end = (at + bytes.len()).min(record.len());
            record.splice(at..end, bytes.iter().copied());
            let mut reader = KillReader::default();
            reader.take(&record);
            reader.take(&bytes);
            prop_assert!(reader.found.len() <= 1);
        }
    }
}
