//! Which capabilities this program keeps while it works.
//!
//! A trace needs most of its rights only to load and attach its kernel side. Afterwards it gives up
//! all that the rest of it does not use. Linux keeps capabilities per thread, and a thread begins
//! with those of the one that starts it: whoever runs before the others are given up gives up its
//! own.
//!
//! Only what a thread may use itself is given up. The bounding set and the inheritable set stay:
//! neither gives any rights by itself, and a command that root starts has all of root's rights by
//! them. Ambient capabilities, which pass on to started programs, end with those that are given up.
//! No command loses anything by that: one that another user than root starts has none of the
//! tracer's (`caller`).

use std::{fmt, io, thread};

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

use super::caller::{is_beyond_caller, shed_capabilities};

/// What a trace does once its kernel side is attached, beside reading processes.
#[derive(Clone, Copy, Debug)]
pub struct FurtherWork {
    /// It uses the kernel's tables by system calls that take `CAP_BPF` on this kernel.
    pub calls_take_bpf: bool,
    /// It ends a command, which may run as another user by then.
    pub ends_command: bool,
}

/// Whose rights count for the files that a trace leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilesBy {
    /// Root's own.
    Root,
    /// Those of the user who called root.
    Caller,
    /// Those of the user this process runs as.
    Itself,
}

/// What each capability is kept for.
const USES: [(CapabilitySet, &str); 10] = [
    (
        CapabilitySet::SYS_PTRACE,
        "memory and mappings of processes, of those to come as well",
    ),
    (
        CapabilitySet::SYS_ADMIN,
        "page frames of processes, of those to come as well",
    ),
    (
        CapabilitySet::CHECKPOINT_RESTORE,
        "the very files that a process has mapped",
    ),
    (CapabilitySet::BPF, "the kernel's tables"),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "processes of other users, and their programs",
    ),
    (
        CapabilitySet::DAC_OVERRIDE,
        "files in folders of other users",
    ),
    (
        CapabilitySet::FOWNER,
        "recordings of other users that are replaced",
    ),
    (
        CapabilitySet::SETUID.union(CapabilitySet::SETGID),
        "files as the user who called",
    ),
    (
        CapabilitySet::KILL,
        "the end of the command, whoever it runs as",
    ),
    (
        CapabilitySet::SYS_NICE,
        "short holds of a process's lock on a busy machine",
    ),
];

/// Whether a capability serves for one of [`USES`], with those that were given beside it.
fn is_used(
    capability: CapabilitySet,
    given: CapabilitySet,
    work: FurtherWork,
    files: FilesBy,
) -> bool {
    // It includes some others (include/linux/capability.h).
    let is_admin = given.contains(CapabilitySet::SYS_ADMIN);
    match capability {
        CapabilitySet::CHECKPOINT_RESTORE => !is_admin,
        CapabilitySet::BPF => !is_admin && work.calls_take_bpf,
        CapabilitySet::DAC_OVERRIDE => {
            files == FilesBy::Root || !given.contains(CapabilitySet::DAC_READ_SEARCH)
        }
        CapabilitySet::FOWNER => files == FilesBy::Root,
        CapabilitySet::KILL => work.ends_command,
        _ if capability.contains(CapabilitySet::SETUID) => files == FilesBy::Caller,
        _ => true,
    }
}

/// The capabilities that are kept, each with what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCapabilities(Vec<(CapabilitySet, &'static str)>);

impl KeptCapabilities {
    /// Of those that were given.
    fn of(given: CapabilitySet, work: FurtherWork, files: FilesBy) -> Self {
        let used = USES.into_iter();
        let used = used.filter(|(capability, _)| is_used(*capability, given, work, files));
        let kept = used.map(|(capability, what)| (capability & given, what));
        Self(kept.filter(|(kept, _)| !kept.is_empty()).collect())
    }

    fn all(&self) -> CapabilitySet {
        self.0.iter().map(|(capability, _)| *capability).collect()
    }
}

impl fmt::Display for KeptCapabilities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (kept, what)) in self.0.iter().enumerate() {
            let names: Vec<String> = kept
                .iter_names()
                .map(|(name, _)| format!("CAP_{name}"))
                .collect();
            let comma = if number == 0 { "" } else { ", " };
            write!(out, "{comma}{} ({what})", names.join(" and "))?;
        }
        Ok(())
    }
}

/// Gives up, in this thread and those that it starts from now on, every capability that a trace no
/// longer needs once its kernel side is attached.
pub fn keep_capabilities_for(work: FurtherWork) -> io::Result<KeptCapabilities> {
    let had = capabilities(None)?;
    let files = match (is_beyond_caller(), nix::unistd::geteuid().is_root()) {
        (true, _) => FilesBy::Caller,
        (false, true) => FilesBy::Root,
        (false, false) => FilesBy::Itself,
    };
    let kept = KeptCapabilities::of(had.permitted, work, files);
    set_capabilities(
        None,
        CapabilitySets {
            effective: had.effective & kept.all(),
            permitted: kept.all(),
            inheritable: had.inheritable,
        },
    )?;
    Ok(kept)
}

/// Gives up all capabilities of this thread, for a part of a trace that needs none.
pub fn need_no_capability() -> io::Result<()> {
    shed_capabilities()
}

/// Gives up all capabilities of this thread, for good: no program that it starts has any either.
pub fn renounce_capabilities() -> io::Result<()> {
    set_no_new_privs(true)?;
    shed_capabilities()
}

/// Whether something works for this process only because it has `CAP_BPF`, or one that includes it:
/// tries it in a thread that has none of them.
pub fn takes_bpf(works: impl FnOnce() -> bool + Send) -> io::Result<bool> {
    thread::scope(|scope| {
        let tries = || -> io::Result<bool> {
            need_no_capability()?;
            Ok(!works())
        };
        let thread = thread::Builder::new().name("rights".into());
        let thread = thread.spawn_scoped(scope, tries)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: CapabilitySet = CapabilitySet::all();
    const WORK: FurtherWork = FurtherWork {
        calls_take_bpf: true,
        ends_command: true,
    };

    fn kept(given: CapabilitySet, work: FurtherWork, files: FilesBy) -> CapabilitySet {
        let kept = KeptCapabilities::of(given, work, files).all();
        assert!(given.contains(kept), "nothing is won");
        kept
    }

    #[test]
    fn root_keeps_what_reading_and_its_files_take() {
        let idle = FurtherWork {
            calls_take_bpf: false,
            ends_command: false,
        };
        let reading = CapabilitySet::SYS_PTRACE
            | CapabilitySet::SYS_ADMIN
            | CapabilitySet::DAC_READ_SEARCH
            | CapabilitySet::SYS_NICE;
        let own = CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER;
        let callers = CapabilitySet::SETUID | CapabilitySet::SETGID;
        assert_eq!(kept(ALL, idle, FilesBy::Root), reading | own);
        assert_eq!(kept(ALL, idle, FilesBy::Caller), reading | callers);
        // Of the tables' calls it has the right by SYS_ADMIN.
        let with_command = reading | callers | CapabilitySet::KILL;
        assert_eq!(kept(ALL, WORK, FilesBy::Caller), with_command);
    }

    #[test]
    fn a_user_keeps_of_what_was_given_what_is_needed() {
        let named = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::SYS_PTRACE;
        let itself = |given, work| kept(given, work, FilesBy::Itself);
        let of_tables = CapabilitySet::SYS_PTRACE | CapabilitySet::BPF;
        assert_eq!(itself(named, WORK), of_tables);
        let tables_are_free = FurtherWork {
            calls_take_bpf: false,
            ..WORK
        };
        assert_eq!(itself(named, tables_are_free), CapabilitySet::SYS_PTRACE);
        // One stands in for another that was not given.
        let overriding = named | CapabilitySet::DAC_OVERRIDE;
        let with_override = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_OVERRIDE;
        assert_eq!(itself(overriding, tables_are_free), with_override);
        let reading = overriding | CapabilitySet::DAC_READ_SEARCH;
        let with_search = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        assert_eq!(itself(reading, tables_are_free), with_search);
        let restoring = named | CapabilitySet::CHECKPOINT_RESTORE;
        assert_eq!(
            itself(restoring, WORK),
            of_tables | CapabilitySet::CHECKPOINT_RESTORE
        );
        assert_eq!(itself(CapabilitySet::empty(), WORK), CapabilitySet::empty());
    }

    #[test]
    fn what_is_kept_is_named_with_its_reason() {
        let given = CapabilitySet::SYS_PTRACE | CapabilitySet::SETUID | CapabilitySet::SETGID;
        let kept = KeptCapabilities::of(given, WORK, FilesBy::Caller).to_string();
        assert_eq!(
            kept,
            "CAP_SYS_PTRACE (memory and mappings of processes, of those to come as well), \
             CAP_SETGID and CAP_SETUID (files as the user who called)"
        );
    }

    #[test]
    fn a_thread_that_gives_up_its_capabilities_leaves_the_others_theirs() {
        let own = || capabilities(None).unwrap();
        let before = own();
        let left = thread::spawn(move || {
            renounce_capabilities().unwrap();
            (own(), rustix::thread::no_new_privs().unwrap())
        });
        let (left, is_for_good) = left.join().unwrap();
        assert!(left.effective.is_empty() && left.permitted.is_empty() && is_for_good);
        assert_eq!(own(), before);
        assert!(takes_bpf(|| false).unwrap() && !takes_bpf(|| true).unwrap());
        assert!(takes_bpf(|| !own().effective.is_empty()).unwrap());
    }
}
