//! Backend `trampoline`: trampolines in the functions that handle write faults.
//!
//! x86-64, and arm64 where the kernel has them (6.12 has, 6.1 has not). The cheapest hooks there are; hardened kernels refuse them.

use std::path::Path;

use aya::Btf as KernelBtf;

use super::{
    Backend, Btf, Kernel, Probe, ProbeError, Settings, check_ground, explain,
    functions::{FaultFunctions, Technique},
    load::{self, Plan},
    offsets,
};

/// Sees a copy where it is committed.
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
            reason: explain::error(&error),
            by_verifier: false,
        })?;
        let plan = Plan {
            backend: self.name(),
            globals: offsets::of_faults(&btf)?,
            counts_commits: true,
            has_second: kernel.preempts,
        };
        load::probe(kernel, settings, &btf, &plan, |ebpf| {
            let technique = Technique::Trampoline {
                types: &types,
                twice: kernel.preempts,
            };
            functions.attach(ebpf, technique)
        })
    }
}
