//! The running kernel: release, architecture, page size, and what it allows this process to do.

use std::{
    fs, io,
    os::fd::{FromRawFd as _, OwnedFd},
    path::Path,
};

use nix::libc;

/// Capabilities by their number, include/uapi/linux/capability.h.
const CAPABILITIES: [(&str, u32); 3] =
    [("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_SYS_PTRACE", 19)];
/// Includes `CAP_BPF` and `CAP_PERFMON` (kernel/bpf/syscall.c), but not `CAP_SYS_PTRACE`.
const CAP_SYS_ADMIN: u32 = 21;
/// Inode of the initial pid namespace, `PROC_PID_INIT_INO` of `include/linux/proc_ns.h`.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Inode of the initial user namespace, `PROC_USER_INIT_INO` of the same file.
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

/// First major release that runs programs on tracepoints with preemption on. Measured: 6.19 skips no
/// program, 7.0 does (docs/kernel.md).
const PREEMPTED_TRACEPOINTS: u32 = 7;

/// Facts of the running kernel that do not change while it runs.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Release, such as `6.12.9-amd64`.
    pub release: String,
    /// Architecture as Rust names it, such as `x86_64`.
    pub arch: &'static str,
    /// Size of a page, bytes.
    pub page_bytes: u64,
    /// Online processors.
    pub cpus: usize,
    /// Task ids are below this number.
    pub pid_max: u32,
    /// Whether the kernel preempts tasks inside the kernel, programs on functions included. It then skips
    /// a preempted program for the tasks that run meanwhile.
    pub preempts: bool,
    /// The same for programs on tracepoints: before Linux 7.0 they ran with preemption off.
    pub preempts_tracepoints: bool,
}

impl Kernel {
    /// Reads the facts of the running kernel.
    pub fn running() -> io::Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let version = fs::read_to_string("/proc/sys/kernel/version")?;
        let pid_max = fs::read_to_string("/proc/sys/kernel/pid_max")?;
        let preempts = version.contains("PREEMPT");
        Ok(Self {
            preempts,
            preempts_tracepoints: preempts && major_release(&release) >= PREEMPTED_TRACEPOINTS,
            release: release.trim().to_owned(),
            arch: std::env::consts::ARCH,
            page_bytes: crate::memory::page_bytes(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            pid_max: pid_max
                .trim()
                .parse()
                .map_err(|_| io::ErrorKind::InvalidData)?,
        })
    }
}

/// First number of a release; 0 if it does not begin with one.
fn major_release(release: &str) -> u32 {
    let digits = release.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The capabilities that cowtrace needs and this process lacks.
pub(super) fn missing_capabilities(root: &Path) -> Vec<&'static str> {
    let status = fs::read_to_string(root.join("self/status")).unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let has = |number: u32| effective & (1 << number) != 0;
    CAPABILITIES
        .iter()
        .filter(|(name, number)| {
            let covered = *name != "CAP_SYS_PTRACE" && has(CAP_SYS_ADMIN);
            !has(*number) && !covered
        })
        .map(|(name, _)| *name)
        .collect()
}

/// Whether this process's capabilities count for tracing. In another user namespace they hold only for what
/// belongs to that namespace (`user_namespaces(7)`).
pub(super) fn in_initial_user_namespace(root: &Path) -> bool {
    is_initial(&root.join("self/ns/user"), INITIAL_USER_NAMESPACE)
}

/// Whether this process sees the kernel's own process ids.
pub(super) fn in_initial_pid_namespace(root: &Path) -> bool {
    is_initial(&root.join("self/ns/pid"), INITIAL_PID_NAMESPACE)
}

/// Whether a namespace is the machine's own. A kernel that was built without namespaces of this kind
/// has no such link, and only one of them.
fn is_initial(link: &Path, initial: &str) -> bool {
    !fs::read_link(link).is_ok_and(|link| link.as_os_str() != initial)
}

/// Whether this thread may use tables by system calls. Before Linux 5.19 that took `CAP_BPF`, unless
/// `kernel.unprivileged_bpf_disabled` is 0.
#[must_use]
pub fn may_use_tables() -> bool {
    /// `BPF_MAP_LOOKUP_ELEM` of include/uapi/linux/bpf.h.
    const LOOK_UP: libc::c_int = 1;
    // Of a table that there is not: whether this is permitted is decided before.
    let question = [u64::from(u32::MAX), 0, 0, 0];
    // SAFETY: the kernel reads the question, which outlives the call, and writes nothing.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            LOOK_UP,
            &raw const question,
            size_of_val(&question),
        )
    };
    done == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EPERM)
}

/// Loads the smallest program that there is; fails with the system's error where none may be loaded.
pub(super) fn try_smallest_program() -> io::Result<()> {
    /// `BPF_PROG_LOAD` and `BPF_PROG_TYPE_SOCKET_FILTER` of include/uapi/linux/bpf.h.
    const LOAD: libc::c_int = 5;
    const SOCKET_FILTER: u32 = 1;
    // "Put 0 into the result", "end".
    let instructions: [u64; 2] = [0xb7, 0x95];
    let licence = c"GPL";
    // The first fields of `union bpf_attr` for this call: kind and number of instructions, both pointers, no log.
    let count = instructions.len() as u64;
    let request = [
        u64::from(SOCKET_FILTER) | (count << 32),
        instructions.as_ptr() as u64,
        licence.as_ptr() as u64,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads the request and what it points to, which outlive the call, and writes nothing.
    let made = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            LOAD,
            &raw const request,
            size_of_val(&request),
        )
    };
    let made = i32::try_from(made).map_err(io::Error::other)?;
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else has.
    drop(unsafe { OwnedFd::from_raw_fd(made) });
    Ok(())
}

/// Whether the kernel's lockdown forbids BPF programs to read kernel memory
/// (`LOCKDOWN_BPF_READ_KERNEL`, `kernel_lockdown(7)`).
pub(super) fn is_locked_down() -> bool {
    fs::read_to_string("/sys/kernel/security/lockdown")
        .is_ok_and(|text| text.contains("[confidentiality]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_release_is_read() {
        assert_eq!(major_release("7.0.13+deb13-cloud-amd64"), 7);
        assert_eq!(major_release("6.18.44"), 6);
        assert_eq!(major_release("next"), 0);
    }

    fn missing(mask: &str) -> Vec<&'static str> {
        let root =
            std::env::temp_dir().join(format!("cowtrace-caps-{}-{mask}", std::process::id()));
        fs::create_dir_all(root.join("self")).unwrap();
        fs::write(
            root.join("self/status"),
            format!("Name:\tx\nCapEff:\t{mask}\n"),
        )
        .unwrap();
        let found = missing_capabilities(&root);
        fs::remove_dir_all(&root).unwrap();
        found
    }

    #[test]
    fn another_user_namespace_is_told_by_its_inode() {
        let root = std::env::temp_dir().join(format!("cowtrace-userns-{}", std::process::id()));
        fs::create_dir_all(root.join("self/ns")).unwrap();
        let link = root.join("self/ns/user");
        std::os::unix::fs::symlink("user:[4026531837]", &link).unwrap();
        let initial = in_initial_user_namespace(&root);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("user:[4026532201]", &link).unwrap();
        let other = in_initial_user_namespace(&root);
        fs::remove_dir_all(&root).unwrap();
        assert!(initial && !other);
        // Built without namespaces: there is only the machine's own.
        assert!(in_initial_user_namespace(&root) && in_initial_pid_namespace(&root));
    }

    #[test]
    fn root_misses_nothing_and_a_plain_user_everything() {
        assert!(missing("000001ffffffffff").is_empty());
        assert_eq!(
            missing("0000000000000000"),
            ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"]
        );
    }

    #[test]
    fn sys_admin_stands_for_bpf_but_not_for_ptrace() {
        assert_eq!(missing("0000000000200000"), ["CAP_SYS_PTRACE"]);
    }
}
