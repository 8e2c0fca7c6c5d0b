//! Keeps a run for which the user named no file, and says where.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{
    record::Recording,
    report::{REPORT_LAST, reporting_command},
    session::TraceTarget,
};
use crate::{
    collect::RunIdentity,
    foreign::printable_path,
    kept::{self, MOST_RUNS},
    memory,
    run::Run,
    streams::say_to_user,
};

/// Begins the recording of a run that is kept. If that fails, a warning says why, and the run is only traced.
pub(super) fn begin_keeping(
    target: &TraceTarget<'_>,
    identity: &RunIdentity,
    run: &Run,
) -> Option<Recording> {
    let begin = || -> Result<Recording> {
        let (pid, program) = traced_program(target, identity);
        let path = kept::place_for_run(&identity.started_at, pid, &program)?;
        Recording::begin(&path, false, run)
    };
    begin()
        .map_err(|error| {
            say_to_user(format_args!(
                "cowtrace: this run is not kept: {error:#}; --no-keep leaves this out"
            ));
        })
        .ok()
}

/// What is traced: the number of the first process, and the name of its script or program, or of the first target if
/// that is a unit, a cgroup, a container or a pattern. It is the same however the program was started.
fn traced_program(target: &TraceTarget<'_>, identity: &RunIdentity) -> (u32, String) {
    let pid = identity.targets.first().copied().unwrap_or_default();
    let program = match target {
        TraceTarget::Demo(_) => "demo".into(),
        TraceTarget::Command(words) => first_word(&memory::describe_command(words)),
        TraceTarget::Running(running) => {
            let name = running.watch.name_of(0);
            name.map_or_else(|| program_of(pid), str::to_owned)
        }
    };
    (pid, program)
}

/// The script or program that a process runs.
fn program_of(pid: u32) -> String {
    let proc = Path::new("/proc");
    let described = memory::read_command_line(proc, pid);
    described.map_or_else(|| memory::read_comm(proc, pid), |it| first_word(&it))
}

/// The program or the script of a described command line: two scripts of one interpreter are two programs.
fn first_word(described: &str) -> String {
    let word = described.split(' ').next().unwrap_or_default();
    word.to_owned()
}

/// Where a run was kept, to be said when its report is out.
#[derive(Debug)]
pub(super) struct KeptAs {
    path: PathBuf,
    is_last: bool,
}

impl KeptAs {
    /// A run whose recording is finished; if it is not, that is said. Older ones may be removed.
    pub(super) fn settle(finished: Result<PathBuf>) -> Option<Self> {
        let path = finished
            .map_err(|error| say_to_user(format_args!("cowtrace: {error:#}")))
            .ok()?;
        let is_last = kept::settle_run(&path).unwrap_or(false);
        Some(Self { path, is_last })
    }

    /// The command that reports it.
    pub(super) fn reporting_command(&self) -> String {
        if self.is_last {
            REPORT_LAST.into()
        } else {
            reporting_command(&self.path)
        }
    }

    /// Says where it is.
    pub(super) fn say(&self) {
        let path = printable_path(&self.path);
        if self.is_last {
            say_to_user(format_args!(
                "cowtrace: kept as {path}, with the last {MOST_RUNS} runs; `cowtrace report` shows it again"
            ));
        } else {
            say_to_user(format_args!(
                "cowtrace: kept as {path}, with the last {MOST_RUNS} runs; `cowtrace report` with this file shows it again"
            ));
        }
    }
}
