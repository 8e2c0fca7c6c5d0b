//! Backend `kprobe`: kernel probes on the functions that handle write faults.
//!
//! Every architecture, from Linux 5.10 on. Costs more than trampolines, but fewer kernels refuse it.

use std::path::Path;

use super::{
    attached::Probe,
    backend::{Backend, Settings, check_ground},
    btf::Btf,
    error::ProbeError,
    functions::{FaultFunctions, Technique},
    kernel::Kernel,
    load::{self, Plan},
    offsets,
};

/// The backend; it sees copies where the kernel commits them.
pub struct Kprobe;

impl Backend for Kprobe {
    fn name(&self) -> &'static str {
        "kprobe"
    }

    fn attach(&self, kernel: &Kernel, settings: Settings) -> Result<Probe, ProbeError> {
        check_ground(Path::new("/proc"))?;
        if !Path::new("/sys/bus/event_source/devices/kprobe").is_dir() {
            return Err(ProbeError::NoKprobes);
        }
        let btf = Btf::of_running_kernel()?;
        let functions = FaultFunctions::find(&btf)?;
        let plan = Plan {
            backend: self.name(),
            globals: offsets::of_faults(&btf)?,
            counts_commits: true,
            has_second: false,
        };
        load::load_probe(kernel, settings, &btf, &plan, |ebpf| {
            functions.attach(ebpf, Technique::Probe)
        })
    }
}
