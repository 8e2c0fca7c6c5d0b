//! Loads, attaches and unloads the programs of the object.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::Mutex,
    thread,
};

use aya::{
    Ebpf,
    programs::{Program, ProgramError, RawTracePoint},
};
use cowtrace_common::object::HookPrograms;

use super::{error::ProbeError, kernel::Kernel};

/// Loads a program without attaching it, if it is not loaded. The verifier takes some milliseconds for it.
pub(super) fn load_program(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProbeError> {
    load(raw_tracepoint(ebpf, name)?).map_err(ProbeError::program(name))
}

/// Loads programs of raw tracepoints on all processors at once, in this order: the verifier takes most of the
/// time until a trace begins, up to 0.2 s for one program. What the kernel refuses is left to whoever attaches
/// it, who says why.
pub(super) fn load_at_once(ebpf: &mut Ebpf, names: &[&str]) {
    let place = |name: &str| names.iter().position(|it| *it == name);
    let programs = ebpf.programs_mut().filter_map(|(name, program)| {
        let program: &mut RawTracePoint = program.try_into().ok()?;
        Some((place(name)?, program))
    });
    let mut programs: Vec<(usize, &mut RawTracePoint)> = programs.collect();
    programs.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(programs);
    let next = || waiting.lock().ok()?.pop();
    let load_waiting = || {
        while let Some((_, program)) = next() {
            let _ = load(program);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(names.len()) {
            let _ = thread::Builder::new().spawn_scoped(scope, load_waiting);
        }
        load_waiting();
    });
}

fn load(program: &mut RawTracePoint) -> Result<(), ProgramError> {
    if program.fd().is_ok() {
        return Ok(());
    }
    program.load()
}

/// Attaches the program of a raw tracepoint, and its second one if the kernel preempts programs.
pub(super) fn attach_twins(
    ebpf: &mut Ebpf,
    kernel: &Kernel,
    hook: HookPrograms,
) -> Result<(), ProbeError> {
    attach_tracepoint(ebpf, hook.first, hook.first)?;
    if kernel.preempts_tracepoints {
        attach_second(ebpf, hook)?;
    }
    Ok(())
}

/// Attaches the second program of a raw tracepoint, if it has one.
pub(super) fn attach_second(ebpf: &mut Ebpf, hook: HookPrograms) -> Result<(), ProbeError> {
    match hook.second {
        Some(second) => attach_tracepoint(ebpf, second, hook.first),
        None => Ok(()),
    }
}

/// Attaches a program to a raw tracepoint, and loads it first if necessary.
pub(super) fn attach_tracepoint(
    ebpf: &mut Ebpf,
    name: &'static str,
    tracepoint: &str,
) -> Result<(), ProbeError> {
    let program = raw_tracepoint(ebpf, name)?;
    load(program).map_err(ProbeError::program(name))?;
    program
        .attach(tracepoint)
        .map_err(ProbeError::program(name))?;
    Ok(())
}

pub(super) fn raw_tracepoint<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut RawTracePoint, ProbeError> {
    let program = ebpf.program_mut(name).ok_or(ProbeError::NoProgram(name))?;
    program.try_into().map_err(ProbeError::program(name))
}

/// Detaches and unloads a program, if it is loaded.
pub(super) fn unload_program(program: &mut Program) {
    let unloaded: Result<(), ProgramError> = match program {
        Program::RawTracePoint(program) => program.unload(),
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::KProbe(program) => program.unload(),
        // The object has no other kinds.
        _ => Ok(()),
    };
    if let Err(error) = unloaded
        && !matches!(error, ProgramError::NotLoaded)
    {
        log::debug!("a program stays until the end: {error}");
    }
}

/// How often the kernel skipped a program (`recursion_misses`), from the program's fdinfo; `None` if the
/// program is not loaded.
pub(super) fn recursion_misses(program: &Program) -> Option<u64> {
    let fd = program.fd().ok()?;
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = fs::read_to_string(path).unwrap_or_default();
    let misses = text
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))
        .and_then(|count| count.trim().parse().ok());
    Some(misses.unwrap_or(0))
}
