//! How the traced command, or the traced masters, ended.

use std::path::Path;

use super::ends::End;
use crate::{
    memory::oom_kills,
    run::{Ending, Exit, Process, Role, Run},
    streams::say_to_user,
    targets,
};

/// A master that ended longer before the trace did not end with it, ns.
const SAME_TIME_NS: u64 = 1_000_000_000;

/// The command failed by itself; the trace did not.
#[derive(Debug, thiserror::Error)]
#[error("the command {what}; --ignore-command-status accepts that")]
pub(super) struct CommandFailed {
    what: String,
}

/// What is known before the trace, to say afterwards how the masters ended.
pub(super) struct Exits {
    command: Option<targets::Command>,
    oom_kills: Option<u64>,
}

impl Exits {
    /// Call it before the trace.
    pub(super) fn begin() -> Self {
        Self {
            command: None,
            oom_kills: oom_kills(proc_root()),
        }
    }

    /// With the command that was started for the trace, if any.
    pub(super) fn with_command(self, command: Option<targets::Command>) -> Self {
        Self { command, ..self }
    }

    /// Ends the command unless it has ended, and adds to the run how each ended. Returns whether the
    /// command failed by itself; `was_interrupted` if a signal for the trace came as it ended.
    pub(super) fn note(
        mut self,
        run: &mut Run,
        cause: End,
        was_interrupted: bool,
    ) -> Result<(), CommandFailed> {
        let oom_kills = oom_kills(proc_root()).unwrap_or(0);
        let end_ns = run.head.duration_ns;
        let exit = |ending: Ending, out_of_memory, exited_ns: Option<u64>| Exit {
            ending,
            out_of_memory,
            with_trace: (was_interrupted || cause != End::MastersGone)
                && exited_ns.is_none_or(|at_ns| at_ns.saturating_add(SAME_TIME_NS) >= end_ns),
            oom_kills: oom_kills.saturating_sub(self.oom_kills.unwrap_or(oom_kills)),
        };
        let masters = run.memory.processes.iter_mut();
        for master in masters.filter(|it| it.role == Role::Master) {
            let (seen, exited_ns) = (master.exit, master.exited_ns);
            master.exit = seen.map(|seen| exit(seen.ending, seen.out_of_memory, exited_ns));
        }
        let Some(command) = &mut self.command else {
            return Ok(());
        };
        let is_over = cause == End::MastersGone && !was_interrupted;
        let Some(ending) = command.end(is_over) else {
            say_to_user(format_args!(
                "cowtrace: the command (process {}) ignores SIGTERM and is still running",
                command.pid()
            ));
            return Ok(());
        };
        let process = exited_master(run, command.pid());
        let seen = process.as_ref().and_then(|process| process.exit);
        let exit = exit(ending, seen.is_some_and(|seen| seen.out_of_memory), None);
        if let Some(process) = process {
            process.exit = Some(exit);
        }
        if exit.is_failure() {
            let what = exit.in_words();
            return Err(CommandFailed { what });
        }
        Ok(())
    }
}

/// The last program of a master, if it has ended in the trace.
fn exited_master(run: &mut Run, pid: u32) -> Option<&mut Process> {
    let is_it = |process: &&mut Process| process.pid == pid && process.role == Role::Master;
    let last = run.memory.processes.iter_mut().rev().find(is_it);
    last.filter(|process| process.exited_ns.is_some())
}

fn proc_root() -> &'static Path {
    Path::new("/proc")
}
