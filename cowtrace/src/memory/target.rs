//! A process's memory, read from outside without stopping it, by `/proc/PID/mem` (proc(5)).
//!
//! `process_vm_readv(2)` is not used: it pins the pages, and pinning a page that has been shared
//! since a fork copies it (`gup_must_unshare`, Linux 5.19 and later), which is just what is counted
//! here.

use std::{
    cell::RefCell, collections::HashMap, fs::File, io, os::unix::fs::FileExt as _, path::Path,
};

use super::{
    confinement::{Confinement, confinement},
    fields::read_bounded,
};

/// Most processes whose memory file is kept open. An open file does not keep the memory itself.
const MAX_OPEN: usize = 64;

thread_local! {
    /// By process id. The file keeps referring to the process and program that had the id when it
    /// was opened; after these are gone, nothing can be read from it.
    static OPEN: RefCell<HashMap<u32, File>> = RefCell::default();
}

/// Fills the buffer from an address; false if the process is gone or part of the range is not
/// mapped.
#[must_use]
pub fn read_target(pid: u32, address: u64, buffer: &mut [u8]) -> bool {
    // File offsets are signed; no process has addresses that high.
    if i64::try_from(address).is_err() {
        return false;
    }
    OPEN.with_borrow_mut(|open| {
        if let Some(file) = open.get(&pid) {
            if file.read_exact_at(buffer, address).is_ok() {
                return true;
            }
            open.remove(&pid);
        }
        let Ok(file) = File::open(format!("/proc/{pid}/mem")) else {
            return false;
        };
        let is_read = file.read_exact_at(buffer, address).is_ok();
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        open.insert(pid, file);
        is_read
    })
}

/// A word at an address.
#[must_use]
pub fn read_word(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    read_target(pid, address, &mut bytes).then(|| u64::from_ne_bytes(bytes))
}

/// Whether a process's memory, mappings and present pages may be read.
pub fn try_reading(root: &Path, pid: u32) -> io::Result<()> {
    let folder = root.join(pid.to_string());
    for name in ["mem", "maps", "pagemap"] {
        File::open(folder.join(name))?;
    }
    Ok(())
}

/// Why the kernel refuses a process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another user's, or one's own that is protected: root may.
    NotRoot,
    /// Root without the capability for it, as in a container.
    NoCapability,
    /// By a security module, although this program has the capability.
    Confined(Confinement),
    /// Even with the capability.
    Protected,
}

/// `CAP_SYS_PTRACE`, with which any process's memory may be read.
const MAY_READ_OTHERS: u64 = 1 << 19;
/// The status of a process is shorter, bytes.
const MOST_STATUS: u64 = 64 << 10;

/// Why the kernel refuses to open a process's memory to this program.
#[must_use]
pub fn why_refused(root: &Path) -> Refusal {
    let status = read_bounded(&root.join("self/status"), MOST_STATUS).unwrap_or_default();
    refusal_of(&status, nix::unistd::geteuid().is_root(), || {
        confinement(root)
    })
}

fn refusal_of(
    status: &[u8],
    is_root: bool,
    confined_by: impl Fn() -> Option<Confinement>,
) -> Refusal {
    let status = String::from_utf8_lossy(status);
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    match (effective, is_root) {
        (Some(mask), _) if mask & MAY_READ_OTHERS != 0 => {
            confined_by().map_or(Refusal::Protected, Refusal::Confined)
        }
        (_, true) => Refusal::NoCapability,
        (_, false) => Refusal::NotRoot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_reason() {
        let refusal = |mask: &str, is_root| {
            let status = format!("Name:\tx\nCapEff:\t{mask}\n");
            refusal_of(status.as_bytes(), is_root, || None)
        };
        assert_eq!(refusal("0000000000000000", false), Refusal::NotRoot);
        assert_eq!(refusal("00000000a80425fb", true), Refusal::NoCapability);
        assert_eq!(refusal("000001fffeffffff", true), Refusal::Protected);
        assert_eq!(refusal("0000000000080000", false), Refusal::Protected);
        assert_eq!(refusal_of(b"", true, || None), Refusal::NoCapability);
        let profile = Confinement::AppArmor("docker-default".into());
        let confined = |status: &str, is_root| {
            refusal_of(status.as_bytes(), is_root, || Some(profile.clone()))
        };
        let with_all = confined("CapEff:\t000001ffffffffff\n", true);
        assert_eq!(with_all, Refusal::Confined(profile.clone()));
        let without = confined("CapEff:\t00000000a80425fb\n", true);
        assert_eq!(without, Refusal::NoCapability);
    }

    #[test]
    fn own_memory_is_read_and_garbage_is_not() {
        let pid = std::process::id();
        let word = 0x1122_3344_5566_7788u64;
        assert_eq!(read_word(pid, std::ptr::from_ref(&word) as u64), Some(word));
        assert_eq!(read_word(pid, 8), None);
        assert_eq!(read_word(pid, u64::MAX - 3), None);
        assert_eq!(read_word(u32::MAX, 8), None);
    }
}
