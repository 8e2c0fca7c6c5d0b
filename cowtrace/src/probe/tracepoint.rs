//! Backend `tracepoint`: raw tracepoints on page faults and page allocations.
//!
//! x86-64, Linux 5.10. Works where kprobes and trampolines are off, and without tracefs.

use std::path::Path;

use super::{Backend, Btf, Kernel, Offsets, Probe, ProbeError, Settings, check_ground, load};

/// Pairs a write fault with the page allocation inside it.
pub struct Tracepoint;

impl Backend for Tracepoint {
    fn name(&self) -> &'static str {
        "tracepoint"
    }

    fn can_run(&self, kernel: &Kernel) -> Result<(), ProbeError> {
        if kernel.arch != "x86_64" {
            return Err(ProbeError::Architecture {
                backend: self.name(),
                arch: kernel.arch,
            });
        }
        check_ground(Path::new("/proc"))?;
        Offsets::find(&Btf::of_running_kernel()?)?;
        Ok(())
    }

    fn attach(&self, kernel: &Kernel, settings: Settings) -> Result<Probe, ProbeError> {
        load::probe(
            self.name(),
            kernel,
            settings,
            &["mm_page_alloc", "page_fault_user", "page_fault_kernel"],
        )
    }
}
