//! Which backend runs: the one that was asked for, or the best that this kernel allows, found by
//! attaching it.

use std::path::Path;

use log::info;
use nix::libc;

use super::{
    Backend, Kernel, Kprobe, Probe, ProbeError, Settings, Tracepoint, Trampoline, check_ground,
};

/// Every backend, the one that sees most at the least cost first.
#[must_use]
pub fn backends() -> [&'static dyn Backend; 3] {
    [&Trampoline, &Kprobe, &Tracepoint]
}

/// A backend that was tried before another was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its name.
    pub backend: &'static str,
    /// Why it cannot run.
    pub reason: String,
}

/// Attaches the backend of this name, or the first that can run. No process is traced yet.
pub fn attach(
    name: Option<&str>,
    kernel: &Kernel,
    settings: Settings,
) -> Result<Probe, ProbeError> {
    // What no backend can do without is told once, not once for each.
    check_ground(Path::new("/proc"))?;
    let mut rejected = Vec::new();
    for backend in backends() {
        if name.is_some_and(|name| name != backend.name()) {
            continue;
        }
        match backend.attach(kernel, settings) {
            Ok(mut probe) => {
                probe.rejected = rejected;
                give_back_memory();
                return Ok(probe);
            }
            Err(error) if name.is_some() => return Err(error),
            Err(error) => {
                info!("the {} backend cannot run: {error}", backend.name());
                rejected.push(Rejected {
                    backend: backend.name(),
                    reason: error.to_string(),
                });
            }
        }
    }
    Err(ProbeError::NoBackend(rejected))
}

/// Has the allocator give back what reading the kernel's types has left free in the midst of what is
/// in use: some 15 MiB, which would stay to the end.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: gives whole free pages back, nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
