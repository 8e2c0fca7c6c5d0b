//! Loads, attaches and drains the kernel side; the only room that knows aya.
//!
//! A backend is a way to see write faults. Each says itself whether it can run on this kernel and
//! why not; all of them feed the same tables, so that nothing downstream knows which one ran.

mod btf;
mod cast;
mod choice;
mod counts;
mod direct_map;
mod drain;
mod evidence;
mod explain;
mod functions;
mod kernel;
mod kprobe;
mod lifecycle;
mod load;
mod natives;
mod offsets;
mod pythons;
mod shared;
mod tables;
mod tracepoint;
mod trampoline;
pub mod trial;
mod unseen;

use std::{collections::HashMap, io, path::Path};

use aya::{
    Ebpf, EbpfError,
    maps::{MapData, MapError, RingBuf},
    programs::ProgramError,
};
use aya_log::EbpfLogger;
use cowtrace_common::{
    evidence::Evidence,
    loss::{LOSSES, Loss},
};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

pub use btf::{Btf, BtfError};
pub use choice::{Rejected, attach, backends};
pub use counts::{RangeCount, SlotState, Totals};
pub use kernel::Kernel;
pub use kprobe::Kprobe;
pub use lifecycle::Lifecycle;
pub use natives::Natives;
pub use pythons::Pythons;
pub use tables::Tables;
pub use tracepoint::Tracepoint;
pub use trampoline::Trampoline;
pub use unseen::Unseen;

/// Why the kernel side does not run.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// This process may not; root may.
    #[error("not enough privilege: {} missing; run it with sudo, or give the binary these capabilities", .0.join(", "))]
    Privilege(Vec<&'static str>),
    /// The backend cannot see faults on this architecture.
    #[error(
        "the {backend} backend needs x86-64, and this is {arch}: other architectures have no page-fault tracepoints"
    )]
    Architecture {
        /// Name of the backend.
        backend: &'static str,
        /// Architecture of this machine.
        arch: &'static str,
    },
    /// The kernel has no function to hook.
    #[error("this kernel has no function {0} that can be hooked")]
    NoFunction(String),
    /// Kernel probes are not built in.
    #[error("this kernel was built without kernel probes (CONFIG_KPROBE_EVENTS)")]
    NoKprobes,
    /// Every backend was tried.
    #[error("no backend works on this kernel{}", told(.0))]
    NoBackend(Vec<Rejected>),
    /// Offsets cannot be had.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// BPF may not read kernel memory.
    #[error(
        "the kernel is locked down (confidentiality): BPF programs may not read kernel memory; boot with lockdown=integrity or without lockdown"
    )]
    Lockdown,
    /// Capabilities here are not the machine's.
    #[error(
        "this process is in a user namespace of its own, as in a rootless container: its capabilities there do not allow tracing; run cowtrace as the machine's own root"
    )]
    UserNamespace,
    /// Process ids here are not the kernel's.
    #[error(
        "cowtrace runs in a pid namespace of its own and cannot tell which process a pid means; run it in the machine's pid namespace (docker run --pid=host)"
    )]
    PidNamespace,
    /// /proc does not tell the basics.
    #[error("/proc cannot be read ({0}); is it mounted?")]
    Proc(io::Error),
    /// The kernel refused an object, a map or a program.
    #[error("the kernel refused {what}: {reason}")]
    Refused {
        /// What was refused.
        what: String,
        /// In plain words, with the system's own.
        reason: String,
        /// Whether the verifier looked at the program and did not accept it.
        by_verifier: bool,
    },
    /// The object was built for another version of this program.
    #[error("the eBPF object has no map {0}: it was built from another version")]
    NoMap(&'static str),
    /// As [`ProbeError::NoMap`].
    #[error("the eBPF object has no program {0}: it was built from another version")]
    NoProgram(String),
    /// A table cannot be mapped into memory.
    #[error("the table {name} cannot be mapped: {error}")]
    Mapping {
        /// Name of the map.
        name: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// The reasons, one a line.
fn told(rejected: &[Rejected]) -> String {
    let mut lines = String::new();
    for tried in rejected {
        lines.extend(["\n  ", tried.backend, ": ", &tried.reason]);
    }
    lines
}

impl ProbeError {
    fn map(name: &'static str) -> impl Fn(MapError) -> Self {
        move |error| Self::Refused {
            what: format!("the map {name}"),
            reason: explain::error(&error),
            by_verifier: false,
        }
    }

    fn program(name: &str) -> impl Fn(ProgramError) -> Self + '_ {
        move |error| {
            let mut by_verifier = false;
            if let ProgramError::LoadError { verifier_log, .. } = &error {
                let said = verifier_log.to_string();
                log::debug!("the verifier on {name}: {said}");
                by_verifier = !said.trim().is_empty();
            }
            Self::Refused {
                what: format!("the hook {name}"),
                reason: explain::error(&error),
                by_verifier,
            }
        }
    }

    fn object(error: &EbpfError) -> Self {
        Self::Refused {
            what: "the eBPF object".into(),
            reason: explain::error(error),
            by_verifier: false,
        }
    }
}

/// What a trace asks of the kernel side.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Size of a range, bytes: a power of two, at least a page.
    pub range_bytes: u64,
    /// Which stacks of who wrote to walk; none where no evidence of it is taken.
    pub writers: Option<Walks>,
    /// Whether the kernel side writes diagnostics.
    pub diagnostics: bool,
}

/// Stacks that are walked for the evidence of who wrote.
#[derive(Clone, Copy, Debug)]
pub struct Walks {
    /// Of Python.
    pub python: bool,
    /// Of native code.
    pub native: bool,
}

/// A way to see write faults.
pub trait Backend {
    /// The name it goes by on the command line and in reports.
    fn name(&self) -> &'static str;
    /// Loads it and attaches its hooks. No process is traced yet. Whether a kernel allows it is
    /// found by this and nothing else; what could not work anyway is told before anything is
    /// loaded, in plainer words than the kernel's.
    fn attach(&self, kernel: &Kernel, settings: Settings) -> Result<Probe, ProbeError>;
}

/// What every backend needs, checked before anything is loaded so that the message names the
/// cause rather than a failed system call.
fn check_ground(root: &Path) -> Result<(), ProbeError> {
    check_privileges(root)?;
    check_surroundings(root)
}

/// Whether this process may trace.
fn check_privileges(root: &Path) -> Result<(), ProbeError> {
    // First: whichever capabilities this process has or lacks in such a namespace, sudo does not help.
    if !kernel::in_initial_user_namespace(root) {
        return Err(ProbeError::UserNamespace);
    }
    let missing = kernel::missing_capabilities(root);
    if !missing.is_empty() {
        return Err(ProbeError::Privilege(missing));
    }
    Ok(())
}

/// Whether anybody can trace from here.
fn check_surroundings(root: &Path) -> Result<(), ProbeError> {
    if kernel::is_locked_down() {
        return Err(ProbeError::Lockdown);
    }
    if !kernel::in_initial_pid_namespace(root) {
        return Err(ProbeError::PidNamespace);
    }
    Ok(())
}

/// The attached kernel side. Dropping it leaves nothing in the kernel.
pub struct Probe {
    /// Name of the backend.
    pub backend: &'static str,
    /// Backends that were tried before it.
    pub rejected: Vec<Rejected>,
    /// What it cannot see.
    pub unseen: Vec<Unseen>,
    /// Size of a range, bytes.
    pub range_bytes: u64,
    /// The counters and slots.
    pub tables: Tables,
    events: AsyncFd<RingBuf<MapData>>,
    evidence: RingBuf<MapData>,
    /// Interpreters and stacks; none if frames are not walked.
    pub pythons: Option<Pythons>,
    /// Native stacks; none if they are not taken.
    pub natives: Option<Natives>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
    ebpf: Ebpf,
    races_are_settled: bool,
}

impl Probe {
    /// Waits until events have come.
    pub async fn wait(&self) -> io::Result<()> {
        self.events.readable().await?.clear_ready();
        Ok(())
    }

    /// The events that have come so far, oldest first.
    pub fn events(&mut self) -> Vec<Lifecycle> {
        let mut events = Vec::new();
        while let Some(item) = self.events.get_mut().next() {
            events.extend(Lifecycle::decode(&item));
        }
        events
    }

    /// Hands each copy's evidence that has come since the last time to `take`, oldest first.
    pub fn evidence(&mut self, mut take: impl FnMut(Evidence)) {
        while let Some(item) = self.evidence.next() {
            evidence::decode(&item, &mut take);
        }
    }

    /// Hands the kernel side's diagnostics to the log.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Leaves out threads that lose a race for a page. Called once a traced process has several
    /// threads; a backend that counts allocations then follows page frees too, which costs every
    /// free of the machine something.
    pub fn settle_races(&mut self) -> Result<(), ProbeError> {
        if !self.races_are_settled {
            load::attach(&mut self.ebpf, "mm_page_free", "mm_page_free")?;
            self.tables.settle_races();
            self.races_are_settled = true;
        }
        Ok(())
    }

    /// Takes the hooks off. The tables stay readable.
    pub fn detach(&mut self) -> Skipped {
        let skipped = self.skipped();
        for (_, program) in self.ebpf.programs_mut() {
            load::unload(program);
        }
        skipped
    }

    /// Loss counters of the kernel side, in the order of [`cowtrace_common::loss::Loss`].
    #[must_use]
    pub fn loss(&self) -> [u64; LOSSES] {
        self.tables.loss()
    }

    /// Runs of the hooks that the kernel skipped because the CPU was already in the same hook
    /// (Linux 5.12 counts them; 0 before). A hook with two programs lost an event only where both
    /// were skipped, so at most the smaller number.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        let misses: HashMap<&str, u64> = self
            .ebpf
            .programs()
            .filter_map(|(name, program)| Some((name, load::recursion_misses(program)?)))
            .collect();
        let own = self.tables.loss()[Loss::HookFaults as usize];
        let preempted = misses.contains_key(load::second("mm_page_alloc").as_str());
        let mut skipped = Skipped::default();
        for (name, &first) in misses.iter().filter(|(name, _)| !name.ends_with("_again")) {
            let second = misses.get(load::second(name).as_str());
            // Faults of a hook's own reading are none of the process's.
            let own = if *name == "page_fault_kernel" { own } else { 0 };
            let lost = second.map_or(first.saturating_sub(own), |&second| first.min(second));
            // Where allocation hooks run with preemption off only an interrupt comes inside one;
            // it allocates and frees, but never for a copy.
            if name.starts_with("mm_page_") && !preempted {
                skipped.by_interrupts += lost;
            } else {
                skipped.runs += lost;
            }
        }
        skipped
    }
}

/// Hook runs that the kernel skipped, counted over the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Faults and process events: something of the traced processes may be missing.
    pub runs: u64,
    /// Allocations and frees of interrupts: nothing is missing.
    pub by_interrupts: u64,
}
