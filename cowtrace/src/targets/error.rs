//! Why something cannot be traced.

use thiserror::Error;

/// Why something cannot be a target.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// The process does not exist.
    #[error("there is no process {0}, or /proc hides it; `sudo ps -e` lists all processes")]
    NoSuchProcess(u32),
    /// /proc is not available.
    #[error("/proc is not mounted, so no process can be found")]
    NoProc,
    /// It has exited and waits to be reaped by its parent.
    #[error("process {0} has exited already (it is a zombie)")]
    Dead(u32),
    /// It has no memory of its own.
    #[error("process {pid} ({comm}) is a kernel thread: it has no memory to copy")]
    KernelThread {
        /// Process id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// It is a thread, not a process.
    #[error("{tid} is a thread of process {pid}; give --pid {pid}")]
    Thread {
        /// The id given by the user.
        tid: u32,
        /// The process it belongs to.
        pid: u32,
    },
    /// No command line matches.
    #[error(
        "no process has a command line that matches {0}: its arguments are joined by spaces, and cowtrace itself and \
         what started it are left out; `ps -eo pid,args` lists them"
    )]
    NoMatch(String),
    /// There is no such cgroup.
    #[error(
        "there is no cgroup {0} in /sys/fs/cgroup; /proc/PID/cgroup has those of a process, and `systemd-cgls` lists all"
    )]
    NoCgroup(String),
    /// It has every process.
    #[error(
        "the cgroup {0} has all processes of the machine; give one below it, or `cowtrace list` to choose"
    )]
    WholeMachine(String),
    /// There is no such unit.
    #[error(
        "there is no unit {unit}{}; `systemctl list-units` lists those that run",
        if *is_asked { "" } else { " in /sys/fs/cgroup, and systemctl cannot be asked" }
    )]
    NoUnit {
        /// Its name.
        unit: String,
        /// Whether systemctl was asked.
        is_asked: bool,
    },
    /// There is no such container.
    #[error(
        "there is no container {prefix} in /sys/fs/cgroup{}; `docker ps`, `podman ps` or `crictl ps` list those that run",
        if *is_cut { ", as far as that was looked through" } else { "" }
    )]
    NoContainer {
        /// The first digits of its id.
        prefix: String,
        /// Whether some cgroups were not looked at.
        is_cut: bool,
    },
    /// Several have ids that begin so.
    #[error("several containers begin with {prefix}: {ids}; give more digits")]
    SeveralContainers {
        /// The first digits of their ids.
        prefix: String,
        /// Their ids.
        ids: String,
    },
}
