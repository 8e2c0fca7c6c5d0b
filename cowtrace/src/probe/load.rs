//! Loading: offsets and sizes patched into the object, programs attached one by one.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::RingBuf,
    programs::{Program, RawTracePoint},
};
use aya_log::EbpfLogger;
use cowtrace_common::{range::RANGE_BUCKETS, thread::TASKS_PER_CHUNK};
use tokio::io::unix::AsyncFd;

use super::{Btf, Kernel, Offsets, Probe, ProbeError, Settings, tables::Tables};

/// The kernel side, built by the build script.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/cowtrace-ebpf.o"));

/// Loads the object and attaches the hooks that follow processes, then those in `hooks`.
pub(super) fn probe(
    backend: &'static str,
    kernel: &Kernel,
    settings: Settings,
    hooks: &[&'static str],
) -> Result<Probe, ProbeError> {
    let offsets = Offsets::find(&Btf::of_running_kernel()?)?;
    let range_shift = settings.range_bytes.trailing_zeros();
    let page_shift = kernel.page_bytes.trailing_zeros();
    let mut ebpf = load(
        kernel,
        &offsets,
        range_shift,
        page_shift,
        settings.diagnostics,
    )?;
    let log = settings
        .diagnostics
        .then(|| EbpfLogger::init(&mut ebpf).ok())
        .flatten();
    let tables = Tables::take(&mut ebpf, kernel.pid_max, range_shift, page_shift)?;
    let events = ebpf.take_map("EVENTS").ok_or(ProbeError::NoMap("EVENTS"))?;
    let events = RingBuf::try_from(events).map_err(ProbeError::map("EVENTS"))?;
    // SAFETY: the ring buffer owns its descriptor and gives the same one as long as it lives.
    let events = unsafe { AsyncFd::register(events) }.map_err(|source| ProbeError::Mapping {
        name: "EVENTS",
        error: source.into(),
    })?;
    for hook in [
        "sched_process_fork",
        "sched_process_exec",
        "sched_process_exit",
    ]
    .iter()
    .chain(hooks)
    {
        attach(&mut ebpf, hook, hook)?;
    }
    // Attached when it is needed, which is then urgent.
    load_program(&mut ebpf, "mm_page_free")?;
    Ok(Probe {
        backend,
        range_bytes: settings.range_bytes,
        tables,
        events,
        log,
        ebpf,
        watches_frees: false,
    })
}

fn load(
    kernel: &Kernel,
    offsets: &Offsets,
    range_shift: u32,
    page_shift: u32,
    diagnostics: bool,
) -> Result<Ebpf, ProbeError> {
    let log_level: u8 = if diagnostics {
        aya_log::Level::Debug as u8
    } else {
        0
    };
    let bucket_mask = RANGE_BUCKETS - 1;
    loader()
        .map_max_entries("TASKS", kernel.pid_max.div_ceil(TASKS_PER_CHUNK))
        .override_global("TASK_PID", &offsets.task_pid, true)
        .override_global("TASK_TGID", &offsets.task_tgid, true)
        .override_global("TASK_MM", &offsets.task_mm, true)
        .override_global("REGS_ORIG_AX", &offsets.regs_orig_ax, true)
        .override_global("RANGE_SHIFT", &range_shift, true)
        .override_global("PAGE_SHIFT", &page_shift, true)
        .override_global("BUCKET_MASK", &bucket_mask, true)
        // At level 0 the verifier removes the diagnostics as dead code.
        .override_global(aya_log::LEVEL, &log_level, true)
        .load(OBJECT)
        .map_err(|error| ProbeError::object(&error))
}

/// The object with nothing patched in, for programs that do nothing.
pub(super) fn for_trial() -> Result<Ebpf, ProbeError> {
    loader()
        .load(OBJECT)
        .map_err(|error| ProbeError::object(&error))
}

fn loader<'a>() -> EbpfLoader<'a> {
    let mut loader = EbpfLoader::new();
    // No program here is relocated against the kernel's types, and parsing them takes time.
    loader.btf(None);
    loader
}

/// Loads one program, which takes the verifier some milliseconds, without attaching it.
fn load_program(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProbeError> {
    raw_tracepoint(ebpf, name)?
        .load()
        .map_err(ProbeError::program(name))
}

/// Attaches one program to a raw tracepoint; loads it first unless it is loaded.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    name: &'static str,
    tracepoint: &str,
) -> Result<(), ProbeError> {
    let program = raw_tracepoint(ebpf, name)?;
    if program.fd().is_err() {
        program.load().map_err(ProbeError::program(name))?;
    }
    program
        .attach(tracepoint)
        .map_err(ProbeError::program(name))?;
    Ok(())
}

fn raw_tracepoint<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut RawTracePoint, ProbeError> {
    let program = ebpf.program_mut(name).ok_or(ProbeError::NoProgram(name))?;
    program.try_into().map_err(ProbeError::program(name))
}

/// How often the kernel skipped a program (`recursion_misses`), from the program's fdinfo.
pub(super) fn recursion_misses(program: &Program) -> u64 {
    let Ok(fd) = program.fd() else { return 0 };
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}
