//! Finds out what the kernel allows by trying it, with programs that do nothing.

use std::path::Path;

use aya::Ebpf;
use cowtrace_common::object::program;

use super::{
    backend::{Backend, Sampling, Settings, Walks, check_privileges, check_surroundings},
    btf::Btf,
    choice,
    error::ProbeError,
    kernel::Kernel,
    load, offsets, programs,
    unseen::Unseen,
};
use crate::memory;

/// A trial of something that tracing needs.
#[derive(Debug)]
pub struct Trial {
    /// What was tried.
    pub what: &'static str,
    /// What was found, or why it failed.
    pub result: Result<String, String>,
}

/// A trial of a backend.
#[derive(Debug)]
pub struct BackendTrial {
    /// Name of the backend.
    pub name: &'static str,
    /// What the backend cannot see, or why it cannot run.
    pub result: Result<Vec<Unseen>, String>,
}

/// Tries everything that every backend needs, even after a failure.
#[must_use]
pub fn try_ground() -> Vec<Trial> {
    let needed = |what, result| Trial { what, result };
    let mut trials = vec![
        needed("privileges", try_privileges()),
        needed("lockdown, pid namespace", try_surroundings()),
        needed("security module", Ok(describe_confinement())),
        needed("kernel types (BTF)", try_types()),
        needed("ring buffer, mapped arrays", try_maps()),
    ];
    for hook in program::OF_LIFECYCLE {
        trials.push(needed(hook.first, try_raw_tracepoint(hook.first)));
    }
    trials
}

/// Tries every backend, best first, by attaching it for a moment.
#[must_use]
pub fn try_backends(kernel: &Kernel) -> Vec<BackendTrial> {
    choice::all_backends()
        .into_iter()
        .map(|backend| BackendTrial {
            name: backend.name(),
            result: try_backend(backend, kernel).map_err(|error| error.to_string()),
        })
        .collect()
}

fn try_privileges() -> Result<String, String> {
    check_privileges(Path::new("/proc"))
        .map(|()| "CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE".into())
        .map_err(|error| error.to_string())
}

fn try_surroundings() -> Result<String, String> {
    check_surroundings(Path::new("/proc"))
        .map(|()| "not locked down, the machine's own pids".into())
        .map_err(|error| error.to_string())
}

/// Whether a security module may refuse what is tried next. That is not known before it does.
fn describe_confinement() -> String {
    match memory::confinement(Path::new("/proc")) {
        Some(by) => format!("{by} decides too"),
        None => "none confines cowtrace".into(),
    }
}

fn try_types() -> Result<String, String> {
    let btf = Btf::of_running_kernel().map_err(|error| error.to_string())?;
    offsets::of_tasks(&btf)
        .map(|_| "readable".into())
        .map_err(|error| error.to_string())
}

fn try_maps() -> Result<String, String> {
    load::for_trial()
        .map(|_| "loaded".into())
        .map_err(|error| error.to_string())
}

/// Attaches the empty program to each tracepoint of a copy. Dropping the result detaches it.
pub fn attach_empty_hooks() -> Result<Vec<impl Sized>, ProbeError> {
    program::OF_TRACEPOINTS
        .iter()
        .map(|hook| empty_hook(hook.first))
        .collect()
}

/// Attaches a newly loaded empty program to a tracepoint.
fn empty_hook(tracepoint: &str) -> Result<Ebpf, ProbeError> {
    let mut object = load::for_trial()?;
    programs::attach_tracepoint(&mut object, program::EMPTY.first, tracepoint)?;
    Ok(object)
}

fn try_raw_tracepoint(tracepoint: &str) -> Result<String, String> {
    match empty_hook(tracepoint) {
        Ok(_) => Ok("attached".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Attaches the backend with all its programs; returns what it cannot see.
fn try_backend(backend: &dyn Backend, kernel: &Kernel) -> Result<Vec<Unseen>, ProbeError> {
    let settings = Settings {
        range_bytes: 1 << 16,
        writers: Some(Walks {
            python: true,
            native: false,
        }),
        sampling: Sampling::ADAPTIVE,
        ring_bytes: None,
        slots: None,
        stores: true,
        touches: true,
        diagnostics: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ProbeError::Proc)?;
    let _guard = runtime.enter();
    Ok(backend.attach(kernel, settings)?.unseen.clone())
}
