//! Chooses the backend: the one that the user named, or the best that this kernel allows, which is found by
//! attaching it.

use std::path::Path;

use log::info;
use nix::libc;

use super::{
    attached::Probe,
    backend::{Backend, Settings, check_ground},
    error::{ProbeError, Rejected},
    kernel::Kernel,
    kprobe::Kprobe,
    tracepoint::Tracepoint,
    trampoline::Trampoline,
};

/// Every backend, best first: the first sees most and costs least.
#[must_use]
pub fn all_backends() -> [&'static dyn Backend; 3] {
    [&Trampoline, &Kprobe, &Tracepoint]
}

/// Attaches the backend with this name, or the first that can run. No process is traced yet.
pub fn attach_backend(
    name: Option<&str>,
    kernel: &Kernel,
    settings: Settings,
) -> Result<Probe, ProbeError> {
    // What every backend needs is reported once and not for each of them.
    check_ground(Path::new("/proc"))?;
    let mut rejected = Vec::new();
    for backend in all_backends() {
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

/// Makes the allocator return free memory to the system: reading the kernel's types leaves about 15 MiB
/// free between blocks in use, which would otherwise stay until the end.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: returns only free pages to the system.
    unsafe {
        libc::malloc_trim(0);
    }
}
