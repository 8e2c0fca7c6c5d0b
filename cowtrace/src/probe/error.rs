//! Why the kernel side does not run, in words for people.

use std::io;

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use thiserror::Error;

use super::{btf::BtfError, explain};

/// Why the kernel side does not run.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// This process lacks capabilities; root has them.
    #[error("not enough privilege: {} missing; give the program these capabilities, or run it with sudo", .0.join(", "))]
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
    /// The kernel does not have a function that the backend hooks.
    #[error("this kernel has no function {0} that can be hooked")]
    NoFunction(String),
    /// The kernel was built without kernel probes.
    #[error("this kernel was built without kernel probes (CONFIG_KPROBE_EVENTS)")]
    NoKprobes,
    /// No backend can run.
    #[error("no backend works on this kernel{}", rejection_lines(.0))]
    NoBackend(Vec<Rejected>),
    /// The machine's processors are not known.
    #[error("the machine's processors cannot be read from {path} ({error}); is /sys mounted?")]
    Processors {
        /// The file.
        path: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// Offsets in kernel structures are unknown.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// BPF may not read kernel memory.
    #[error(
        "the kernel is locked down (confidentiality): BPF programs may not read kernel memory; boot with lockdown=integrity or without lockdown"
    )]
    Lockdown,
    /// This process is in a user namespace that is not the machine's own.
    #[error(
        "this process is in a user namespace of its own, as in a rootless container: its capabilities there do not allow tracing; run cowtrace as the machine's own root"
    )]
    UserNamespace,
    /// This process does not see the kernel's own process ids.
    #[error(
        "cowtrace runs in a pid namespace of its own and cannot tell which process a pid means; run it in the machine's pid namespace (docker run --pid=host)"
    )]
    PidNamespace,
    /// Basic files of /proc cannot be read.
    #[error("/proc cannot be read ({0}); is it mounted?")]
    Proc(io::Error),
    /// The kernel refused an object, a map or a program.
    #[error("the kernel refused {what}: {reason}")]
    Refused {
        /// What was refused.
        what: String,
        /// In plain words, with the system's message.
        reason: String,
        /// Whether the verifier rejected the program.
        by_verifier: bool,
    },
    /// The object lacks a map: it belongs to another version of this program.
    #[error("the eBPF object has no map {0}: it was built from another version")]
    NoMap(&'static str),
    /// The object lacks a program, like [`ProbeError::NoMap`].
    #[error("the eBPF object has no program {0}: it was built from another version")]
    NoProgram(&'static str),
    /// A table cannot be mapped into memory.
    #[error("the table {name} cannot be mapped: {error}")]
    Mapping {
        /// Name of the map.
        name: &'static str,
        /// The system's error.
        error: io::Error,
    },
}

/// Why each backend cannot run, one on each line.
fn rejection_lines(rejected: &[Rejected]) -> String {
    let mut lines = String::new();
    for tried in rejected {
        lines.extend(["\n  ", tried.backend, ": ", &tried.reason]);
    }
    lines
}

impl ProbeError {
    pub(super) fn map(name: &'static str) -> impl Fn(MapError) -> Self {
        move |error| Self::Refused {
            what: format!("the map {name}"),
            reason: explain::explain_error(&error),
            by_verifier: false,
        }
    }

    pub(super) fn program(name: &str) -> impl Fn(ProgramError) -> Self + '_ {
        move |error| {
            let mut why = None;
            if let ProgramError::LoadError { verifier_log, .. } = &error {
                let said = verifier_log.to_string();
                log::debug!("the verifier on {name}: {said}");
                why = explain::end_of_verification(&said);
            }
            Self::Refused {
                what: format!("the hook {name}"),
                by_verifier: why.is_some(),
                reason: why.unwrap_or_else(|| explain::explain_error(&error)),
            }
        }
    }

    /// No program at all may be loaded.
    pub(super) fn programs(error: &io::Error) -> Self {
        Self::Refused {
            what: "BPF programs".into(),
            reason: explain::explain_error(error),
            by_verifier: false,
        }
    }

    pub(super) fn object(error: &EbpfError) -> Self {
        Self::Refused {
            what: "the eBPF object".into(),
            reason: explain::explain_error(error),
            by_verifier: false,
        }
    }
}

/// A backend that cannot run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Name of the backend.
    pub backend: &'static str,
    /// Why it cannot run.
    pub reason: String,
}
