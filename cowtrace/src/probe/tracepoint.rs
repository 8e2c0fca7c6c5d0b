//! Backend `tracepoint`: raw tracepoints on page faults and page allocations.
//!
//! x86-64, from Linux 5.10 on. Works without kprobes, trampolines and tracefs.

use std::path::Path;

use aya::Ebpf;
use cowtrace_common::object::{HookPrograms, program};

use super::{
    attached::Probe,
    backend::{Backend, Settings, check_ground},
    btf::Btf,
    error::ProbeError,
    kernel::Kernel,
    load::{self, Plan},
    offsets, programs,
    unseen::Unseen,
};

/// The backend; it pairs a write fault with the page allocation inside it.
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
        load::load_probe(kernel, settings, &btf, &plan, |ebpf| {
            attach(ebpf, kernel, settings)
        })
    }
}

fn attach(ebpf: &mut Ebpf, kernel: &Kernel, settings: Settings) -> Result<Vec<Unseen>, ProbeError> {
    let all = [&program::OF_TRACEPOINTS[..], &program::OF_LIFECYCLE];
    let all = all.into_iter().flatten();
    let second = |hook: &HookPrograms| hook.second.filter(|_| kernel.preempts_tracepoints);
    let names: Vec<&str> = all
        .flat_map(|hook| [Some(hook.first), second(hook)])
        .flatten()
        .chain([program::MM_PAGE_FREE.first])
        .collect();
    programs::load_at_once(ebpf, &names);
    for hook in program::OF_TRACEPOINTS {
        programs::attach_twins(ebpf, kernel, hook)?;
    }
    // A walk reads the caller's code, which may not be in a child's page tables yet. The read then faults,
    // and the kernel skips the program that reads for this fault. The second program handles it.
    let walks_native = settings.writers.is_some_and(|walks| walks.native);
    if walks_native && !kernel.preempts_tracepoints {
        programs::attach_second(ebpf, program::PAGE_FAULT_KERNEL)?;
    }
    // Loaded now, because it must be attached quickly when it is needed.
    programs::load_program(ebpf, program::MM_PAGE_FREE.first)?;
    Ok(Unseen::OF_TRACEPOINTS.to_vec())
}
