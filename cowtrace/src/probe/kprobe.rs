//! Backend `kprobe`: kernel probes on the functions that handle write faults.
//!
//! Every architecture, Linux 5.10; dearer than trampolines, refused less often.

use std::path::Path;

use super::{
    Backend, Btf, Kernel, Probe, ProbeError, Settings, check_ground,
    functions::{FaultFunctions, Technique},
    load::{self, Plan},
    offsets,
};

/// Sees a copy where it is committed.
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
        load::probe(kernel, settings, &btf, &plan, |ebpf| {
            functions.attach(ebpf, Technique::Probe)
        })
    }
}
