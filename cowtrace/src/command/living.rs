//! Who of the traced processes still lives when the trace has ended, and what to do about it.

use std::{collections::HashSet, path::Path};

use crate::{
    foreign::printable,
    memory,
    report::plural,
    run::{Process, Run},
};

/// Processes that are named in a message; of more the number tells enough.
const MOST_NAMED: usize = 5;

/// What is left of a tree whose masters have exited: a service that has replaced its master, or that
/// has gone into the background.
pub(super) fn after_masters(run: &Run) -> Option<String> {
    let living = living(run, Path::new("/proc"));
    let tops = tops(&living);
    let top = tops.first()?;
    let is = if living.len() == 1 { "lives" } else { "live" };
    Some(format!(
        "what was to be traced has exited, but {} of it still {is}: {}; `cowtrace --pid {}` traces on",
        plural(living.len() as u64, "process"),
        named(&tops),
        top.pid
    ))
}

/// What a command has left behind that was ended with its trace.
pub(super) fn after_command(run: &Run, command: u32) -> Option<String> {
    let mut living = living(run, Path::new("/proc"));
    living.retain(|process| process.pid != command);
    if living.is_empty() {
        return None;
    }
    let is = if living.len() == 1 { "lives" } else { "live" };
    let tops = tops(&living);
    let pids: Vec<String> = tops
        .iter()
        .take(MOST_NAMED)
        .map(|process| process.pid.to_string())
        .collect();
    Some(format!(
        "{} that the command started still {is}: {}; `kill {}` ends {}",
        plural(living.len() as u64, "process"),
        named(&tops),
        pids.join(" "),
        if tops.len() > MOST_NAMED {
            "the first of them"
        } else {
            "what is left"
        }
    ))
}

/// Those that have not exited, by what the trace and /proc know.
fn living<'a>(run: &'a Run, root: &Path) -> Vec<&'a Process> {
    let is_there = |process: &&Process| {
        process.exited_ns.is_none()
            && process.pid != 0
            && memory::identity(root, process.pid).is_ok_and(|it| !it.is_dead)
    };
    run.processes.iter().filter(is_there).collect()
}

/// Those of them whose parents do not live.
fn tops<'a>(living: &[&'a Process]) -> Vec<&'a Process> {
    let ids: HashSet<u32> = living.iter().map(|process| process.id).collect();
    let has_parent = |process: &Process| process.parent_id.is_some_and(|id| ids.contains(&id));
    let tops = living.iter().filter(|process| !has_parent(process));
    tops.copied().collect()
}

fn named(processes: &[&Process]) -> String {
    let mut names: Vec<String> = processes
        .iter()
        .take(MOST_NAMED)
        .map(|process| format!("{} ({})", process.pid, printable(&process.comm)))
        .collect();
    if processes.len() > MOST_NAMED {
        names.push("…".into());
    }
    names.join(", ")
}
