//! Backend `trampoline`: trampolines in the functions that handle write faults.
//!
//! x86-64, and arm64 if the kernel supports it (6.12 does, 6.1 does not). The cheapest hooks; hardened
//! kernels refuse them.

use std::path::Path;

use aya::Btf as KernelBtf;

use super::{
    attached::Probe,
    backend::{Backend, Settings, check_ground},
    btf::Btf,
    error::ProbeError,
    explain,
    functions::{FaultFunctions, Technique},
    kernel::Kernel,
    load::{self, Plan},
    offsets,
};

/// The backend; it sees copies where the kernel commits them.
pub struct Trampoline;

impl Backend for Trampoline {
    fn name(&self) -> &'static str {
        "trampoline"
    }

    fn attach(&self, kernel: &Kernel, settings: Settings) -> Result<Probe, ProbeError> {
        check_ground(Path::new("/proc"))?;
        let btf = Btf::of_running_kernel()?;
        let functions = FaultFunctions::find(&btf)?;
        let types = KernelBtf::from_sys_fs().map_err(|error| ProbeError::Refused {
            what: "its types".into(),
            reason: explain::explain_error(&error),
            by_verifier: false,
        })?;
        let plan = Plan {
            backend: self.name(),
            globals: offsets::of_faults(&btf)?,
            counts_commits: true,
            has_second: kernel.preempts,
        };
        load::load_probe(kernel, settings, &btf, &plan, |ebpf| {
            let technique = Technique::Trampoline {
                types: &types,
                twice: kernel.preempts,
            };
            functions.attach(ebpf, technique)
        })
    }
}
