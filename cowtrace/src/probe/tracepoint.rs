//! Backend `tracepoint`: raw tracepoints on page faults and page allocations.
//!
//! x86-64, Linux 5.10. Works where kprobes and trampolines are off, and without tracefs.

use std::path::Path;

use aya::Ebpf;

use super::{
    Backend, Btf, Kernel, Probe, ProbeError, Settings, Unseen, check_ground,
    load::{self, Plan},
    offsets,
};

/// Pairs a write fault with the page allocation inside it.
pub struct Tracepoint;

/// A page fault of the kernel's own code.
const KERNEL_FAULT: &str = "page_fault_kernel";

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
    for hook in ["mm_page_alloc", "page_fault_user", KERNEL_FAULT] {
        load::attach_twins(ebpf, kernel, hook)?;
    }
    // A walk reads the caller's code, which a child may not have in its page tables yet: a fault
    // of the hook's own, for which the kernel skips the program that reads. The second one runs.
    let walks_native = settings.writers.is_some_and(|walks| walks.native);
    if walks_native && !kernel.preempts_tracepoints {
        load::attach(ebpf, &load::second(KERNEL_FAULT), KERNEL_FAULT)?;
    }
    // Attached when it is needed, which is then urgent.
    load::load_program(ebpf, "mm_page_free")?;
    Ok(Unseen::OF_TRACEPOINTS.to_vec())
}
