//! What the kernel allows, found by trying it with programs that do nothing.

use std::path::Path;

use aya::{
    Btf as KernelBtf, Ebpf,
    programs::{FEntry, KProbe},
};

use super::{
    Backend as _, Btf, Kernel, ProbeError, Tracepoint, check_ground, explain,
    kernel::missing_capabilities, load,
};

/// One thing that was tried.
#[derive(Debug)]
pub struct Trial {
    /// What.
    pub what: &'static str,
    /// What it is for.
    pub used_for: &'static str,
    /// Whether it worked, or what the kernel said.
    pub result: Result<String, String>,
}

/// A function that the other hooks are tried on: every kernel has it, no inlining (facts of
/// mm/memory.c from 5.10 on).
const FUNCTION: &str = "do_wp_page";

/// Tries everything, whatever fails.
#[must_use]
pub fn all(kernel: &Kernel) -> Vec<Trial> {
    let mut trials = vec![
        Trial {
            what: "privileges",
            used_for: "everything",
            result: privileges(),
        },
        Trial {
            what: "lockdown, pid namespace",
            used_for: "everything",
            result: ground(),
        },
        Trial {
            what: "kernel types (BTF)",
            used_for: "offsets of kernel structures",
            result: types(),
        },
    ];
    let mut object = match load::for_trial() {
        Ok(object) => object,
        Err(error) => {
            trials.push(Trial {
                what: "load maps",
                used_for: "everything",
                result: Err(error.to_string()),
            });
            return trials;
        }
    };
    trials.push(Trial {
        what: "load maps",
        used_for: "everything",
        result: Ok("ring buffer, mappable arrays".into()),
    });
    for (what, used_for) in [
        ("sched_process_fork", "following processes"),
        ("sched_process_exec", "following processes"),
        ("sched_process_exit", "following processes"),
        ("page_fault_user", "tracepoint backend"),
        ("page_fault_kernel", "tracepoint backend"),
        ("mm_page_alloc", "tracepoint backend"),
        ("mm_page_free", "tracepoint backend, threads"),
    ] {
        trials.push(Trial {
            what,
            used_for,
            result: raw_tracepoint(what),
        });
    }
    trials.push(Trial {
        what: "kernel probe (kprobe)",
        used_for: "nothing yet",
        result: kprobe(&mut object),
    });
    trials.push(Trial {
        what: "trampoline (fentry)",
        used_for: "nothing yet",
        result: fentry(&mut object),
    });
    trials.push(Trial {
        what: "tracepoint backend",
        used_for: "counting copies",
        result: whole(kernel),
    });
    trials
}

fn privileges() -> Result<String, String> {
    let missing = missing_capabilities(Path::new("/proc"));
    if missing.is_empty() {
        Ok("CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE".into())
    } else {
        Err(ProbeError::Privilege(missing).to_string())
    }
}

fn ground() -> Result<String, String> {
    match check_ground(Path::new("/proc")) {
        Ok(()) | Err(ProbeError::Privilege(_)) => {
            Ok("not locked down, the machine's own pids".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn types() -> Result<String, String> {
    let btf = Btf::of_running_kernel().map_err(|error| error.to_string())?;
    super::Offsets::find(&btf)
        .map(|_| "every offset found".into())
        .map_err(|error| error.to_string())
}

/// The empty program on each hook of a copy, attached until they are dropped.
pub fn empty_hooks() -> Result<Vec<impl Sized>, ProbeError> {
    ["page_fault_user", "page_fault_kernel", "mm_page_alloc"]
        .into_iter()
        .map(empty_hook)
        .collect()
}

/// Attaches the empty program; every tracepoint gets a fresh one.
fn empty_hook(tracepoint: &str) -> Result<Ebpf, ProbeError> {
    let mut object = load::for_trial()?;
    load::attach(&mut object, "empty", tracepoint)?;
    Ok(object)
}

fn raw_tracepoint(tracepoint: &str) -> Result<String, String> {
    match empty_hook(tracepoint) {
        Ok(_) => Ok("attached".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn kprobe(object: &mut Ebpf) -> Result<String, String> {
    let program = object
        .program_mut("empty_kprobe")
        .ok_or("the object lacks the empty program")?;
    let program: &mut KProbe = program.try_into().map_err(|error| explain::error(&error))?;
    program.load().map_err(|error| explain::error(&error))?;
    program
        .attach(FUNCTION, 0)
        .map_err(|error| explain::error(&error))?;
    Ok("attached".into())
}

fn fentry(object: &mut Ebpf) -> Result<String, String> {
    let types = KernelBtf::from_sys_fs().map_err(|error| explain::error(&error))?;
    let program = object
        .program_mut("empty_fentry")
        .ok_or("the object lacks the empty program")?;
    let program: &mut FEntry = program.try_into().map_err(|error| explain::error(&error))?;
    program
        .load(FUNCTION, &types)
        .map_err(|error| explain::error(&error))?;
    program.attach().map_err(|error| explain::error(&error))?;
    Ok("attached".into())
}

/// The backend itself, with all its programs.
fn whole(kernel: &Kernel) -> Result<String, String> {
    let settings = super::Settings {
        range_bytes: 1 << 16,
        diagnostics: false,
    };
    let attach = || -> Result<(), ProbeError> {
        Tracepoint.can_run(kernel)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ProbeError::Proc)?;
        let _guard = runtime.enter();
        Tracepoint.attach(kernel, settings).map(drop)
    };
    attach()
        .map(|()| "loaded and attached".into())
        .map_err(|error| error.to_string())
}
