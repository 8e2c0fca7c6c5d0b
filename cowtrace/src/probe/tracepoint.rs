//! Backend `tracepoint`: raw tracepoints on page faults and page allocations.
//!
//! x86-64, Linux 5.10. Works where kprobes and trampolines are off, and without tracefs.

use std::path::Path;

use aya::Ebpf;
use cowtrace_common::object::program;

use super::{
    Backend, Btf, Kernel, Probe, ProbeError, Settings, Unseen, check_ground,
    load::{self, Plan},
    offsets,
};

/// Pairs a write fault with the page allocation inside it.
pub struct Tracepoint;

impl Backend for Tracepoint {
    fn name(&self) -> &'static str {
        "tracepoint"
    }

    fn attach(&self, kernel: &Kernel, settings: Settings) -> Result<Probe, ProbeError> {
        if kernel.arch != "x86_64" {
            return Err(ProbeError::Architecture {
                backend: self.name(),
                arch: kernel.arch,
            });
        }
        check_ground(Path::new("/proc"))?;
        let btf = Btf::of_running_kernel()?;
        let plan = Plan {
            backend: self.name(),
            globals: offsets::of_registers(&btf)?,
            counts_commits: false,
            has_second: false,
        };
        load::probe(kernel, settings, &btf, &plan, |ebpf| {
            attach(ebpf, kernel, settings)
        })
    }
}

fn attach(ebpf: &mut Ebpf, kernel: &Kernel, settings: Settings) -> Result<Vec<Unseen>, ProbeError> {
    for hook in program::OF_TRACEPOINTS {
        load::attach_twins(ebpf, kernel, hook)?;
    }
    // A walk reads the caller's code, which a child may not have in its page tables yet: a fault
    // of the hook's own, for which the kernel skips the program that reads. The second one runs.
    let walks_native = settings.writers.is_some_and(|walks| walks.native);
    if walks_native && !kernel.preempts_tracepoints {
        load::attach_second(ebpf, program::PAGE_FAULT_KERNEL)?;
    }
    // Attached when it is needed, which is then urgent.
    load::load_program(ebpf, program::MM_PAGE_FREE.first)?;
    Ok(Unseen::OF_TRACEPOINTS.to_vec())
}
