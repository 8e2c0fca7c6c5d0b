//! How the traced command, or the traced masters, ended.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::ends::End;
use crate::{
    memory::{Watched, oom_kills},
    run::{Ending, Exit, Process, Role, Run},
    streams::say_to_user,
    targets,
};

/// How long to wait for the parent of a master to reap it: only then does the kernel report how it ended.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between looks.
const PAUSE: Duration = Duration::from_millis(5);

/// The command failed by itself; the trace did not.
#[derive(Debug, thiserror::Error)]
#[error("the command {what}; --ignore-command-status accepts that")]
pub(super) struct CommandFailed {
    what: String,
}

/// Who is watched for how it ends, from before the trace.
pub(super) struct Exits {
    command: Option<targets::Command>,
    masters: Vec<Watched>,
    oom_kills: Option<u64>,
}

impl Exits {
    /// Of masters that are there.
    pub(super) fn of_masters(pids: &[u32]) -> Self {
        let watched = pids.iter().map(|&pid| Watched::new(proc_root(), pid));
        Self {
            command: None,
            masters: watched.flatten().collect(),
            oom_kills: oom_kills(proc_root()),
        }
    }

    /// Of a command that was started for the trace.
    pub(super) fn of_command(command: targets::Command) -> Self {
        Self {
            command: Some(command),
            masters: Vec::new(),
            oom_kills: oom_kills(proc_root()),
        }
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
        let exit = |ending: Ending| Exit {
            ending,
            with_trace: was_interrupted || cause != End::MastersGone,
            oom_kills: oom_kills.saturating_sub(self.oom_kills.unwrap_or(oom_kills)),
        };
        let deadline = Instant::now() + PATIENCE;
        for master in &self.masters {
            if let Some(process) = exited_master(run, master.pid()) {
                process.exit = wait_for_ending(master, deadline).map(exit);
            }
        }
        let Some(command) = &mut self.command else {
            return Ok(());
        };
        let is_over = cause == End::MastersGone && !was_interrupted;
        let Some(exit) = command.end(is_over).map(exit) else {
            say_to_user(format_args!(
                "cowtrace: the command (process {}) ignores SIGTERM and is still running",
                command.pid()
            ));
            return Ok(());
        };
        if let Some(process) = exited_master(run, command.pid()) {
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

fn wait_for_ending(master: &Watched, deadline: Instant) -> Option<Ending> {
    loop {
        match master.ending(proc_root()) {
            None if Instant::now() < deadline => thread::sleep(PAUSE),
            ending => return ending,
        }
    }
}

fn proc_root() -> &'static Path {
    Path::new("/proc")
}
