//! Who of the traced processes still lives when the trace has ended, and what to do about it.

use std::{
    collections::HashSet,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    foreign::printable,
    memory,
    run::{Donors, Process, Run},
    words::plural,
};

/// Processes that a message names; the others are only counted.
const MOST_NAMED: usize = 5;
/// How long to wait for processes that are still there: those that the same Ctrl-C ends, or that see
/// their parent gone, take a moment.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What is left of a tree whose masters have exited: a service that has replaced its master, or that
/// has gone into the background.
pub(super) fn after_masters(run: &Run) -> Option<String> {
    let living = those_that_stay(run, |_| true);
    let tops = without_living_parents(run, &living);
    if tops.is_empty() {
        return None;
    }
    let is = if living.len() == 1 { "lives" } else { "live" };
    let pids = tops.iter().take(MOST_NAMED);
    let pids: Vec<String> = pids.map(|top| format!("--pid {}", top.pid)).collect();
    Some(format!(
        "every target has exited, but {} still {is}: {}; continue with `cowtrace {}`",
        plural(living.len() as u64, "descendant"),
        list_names(&tops),
        pids.join(" ")
    ))
}

/// What a command has left behind that was ended with its trace.
pub(super) fn after_command(run: &Run, command: u32) -> Option<String> {
    let living = those_that_stay(run, |process| process.pid != command);
    (!living.is_empty()).then(|| left_in_words(run, &living))
}

fn left_in_words(run: &Run, living: &[&Process]) -> String {
    let is = if living.len() == 1 { "lives" } else { "live" };
    let tops = without_living_parents(run, living);
    let pids: Vec<String> = tops
        .iter()
        .take(MOST_NAMED)
        .map(|process| process.pid.to_string())
        .collect();
    format!(
        "{} that the command started still {is}: {}; `kill {}` ends {}",
        plural(living.len() as u64, "process"),
        list_names(&tops),
        pids.join(" "),
        if tops.len() > MOST_NAMED {
            "the first of them"
        } else if tops.len() < living.len() {
            "those that started the others"
        } else {
            "what is left"
        }
    )
}

/// Those of a kind that still live after a moment. Looks again only while some do.
fn those_that_stay(run: &Run, is_meant: impl Fn(&Process) -> bool) -> Vec<&Process> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut living = still_living(run, Path::new("/proc"));
        living.retain(|process| is_meant(process));
        if living.is_empty() || Instant::now() >= until {
            return living;
        }
        thread::sleep(PAUSE);
    }
}

/// Those that have not exited, by what the trace and /proc know.
fn still_living<'a>(run: &'a Run, root: &Path) -> Vec<&'a Process> {
    let is_there = |process: &&Process| {
        process.exited_ns.is_none()
            && process.pid != 0
            && memory::read_identity(root, process.pid).is_ok_and(|it| !it.is_dead)
    };
    run.memory.processes.iter().filter(is_there).collect()
}

/// Those of them whose parents do not live.
fn without_living_parents<'a>(run: &Run, living: &[&'a Process]) -> Vec<&'a Process> {
    let donors = Donors::of(&run.memory.processes);
    let ids: HashSet<u32> = living.iter().map(|process| process.id).collect();
    let has_parent = |process: &Process| donors.donor(process).is_some_and(|id| ids.contains(&id));
    let tops = living.iter().filter(|process| !has_parent(process));
    tops.copied().collect()
}

fn list_names(processes: &[&Process]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Role, Sources, arbitrary};

    /// A process that is there, this one, or that is not.
    fn process(id: u32, parent_id: Option<u32>, lives: bool) -> Process {
        Process {
            id,
            pid: std::process::id(),
            parent_id,
            comm: "web\n".into(),
            role: Role::Worker,
            started_ns: 0,
            exited_ns: (!lives).then_some(1),
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: Some(1),
            target: None,
        }
    }

    fn run(processes: Vec<Process>) -> Run {
        let mut run = arbitrary::empty();
        run.memory.processes = processes;
        run
    }

    #[test]
    fn who_lives_on_after_the_masters_is_named_by_its_top() {
        let pid = std::process::id();
        let one = run(vec![process(0, None, false), process(1, Some(0), true)]);
        let name = printable("web\n");
        assert_eq!(
            after_masters(&one).unwrap(),
            format!(
                "every target has exited, but 1 descendant still lives: {pid} ({name}); \
                 continue with `cowtrace --pid {pid}`"
            )
        );
        let mut all = one.memory.processes;
        all.extend([process(2, Some(1), true), process(3, Some(1), true)]);
        let mut parted = all.clone();
        parted[2].parent_id = Some(0);
        let told = after_masters(&run(parted)).unwrap();
        let both = format!("continue with `cowtrace --pid {pid} --pid {pid}`");
        assert!(told.ends_with(&both), "{told}");
        let told = after_masters(&run(all)).unwrap();
        let of_all = format!("3 descendants still live: {pid} ({name}); ");
        assert!(told.contains(&of_all), "{told}");
        assert_eq!(after_masters(&run(vec![process(0, None, false)])), None);
    }

    #[test]
    fn who_ends_a_moment_later_is_not_said_to_live() {
        let sleep = |seconds: &str| {
            let mut sleep = std::process::Command::new("sleep");
            sleep.arg(seconds).spawn().unwrap()
        };
        let (mut ends, mut stays) = (sleep("0.2"), sleep("600"));
        let of = |child: &std::process::Child, id| Process {
            pid: child.id(),
            ..process(id, None, true)
        };
        assert_eq!(after_command(&run(vec![of(&ends, 0)]), 1), None);
        let told = after_command(&run(vec![of(&ends, 0), of(&stays, 1)]), 1).unwrap();
        let one = "1 process that the command started still lives: ";
        let which = format!("`kill {}` ends", stays.id());
        assert!(told.starts_with(one) && told.contains(&which), "{told}");
        stays.kill().unwrap();
        for child in [&mut ends, &mut stays] {
            child.wait().unwrap();
        }
    }

    #[test]
    fn what_a_command_left_is_named_with_how_to_end_it() {
        let pid = std::process::id();
        let left = run(vec![process(0, None, true)]);
        // The command itself is ended by its trace.
        assert_eq!(after_command(&left, pid), None);
        let told = after_command(&left, 1).unwrap();
        assert!(told.starts_with("1 process that the command started still lives: "));
        assert!(told.ends_with(&format!("; `kill {pid}` ends what is left")));
        let many = (0..6).map(|id| process(id, None, true)).collect();
        let told = after_command(&run(many), 1).unwrap();
        assert!(told.starts_with("6 processes that the command started still live: "));
        assert!(told.contains(", …; `kill ") && told.ends_with(" ends the first of them"));
    }

    #[test]
    fn who_has_exited_unnoticed_or_stands_for_several_does_not_live() {
        let gone = Process {
            pid: u32::MAX,
            ..process(0, None, true)
        };
        let several = Process {
            pid: 0,
            ..process(1, None, true)
        };
        assert_eq!(after_masters(&run(vec![gone, several])), None);
    }
}
