//! What was wrong with perf maps, in words.

use super::{
    answer::named,
    words::{plural, printable, shorten},
};
use crate::run::{PerfMapProblem, Run};

/// Processes that are told one by one.
const MOST: usize = 3;
/// Longer names of processes are cut.
const MAX_NAME: usize = 32;
/// Longer explanations are cut: those of a recording may hold anything.
const MAX_PROBLEM: usize = 200;

/// A sentence for each process, and one for the others.
pub(super) fn notes(run: &Run) -> Vec<String> {
    let problems = &run.perf_map_problems;
    let mut notes: Vec<String> = problems.iter().take(MOST).map(|it| note(run, it)).collect();
    let others = problems.len().saturating_sub(MOST);
    if others > 0 {
        let whose = plural(others as u64, "more process");
        notes.push(if others == 1 {
            format!("The perf map of {whose} had a problem, too: -f json has it.")
        } else {
            format!("The perf maps of {whose} had problems, too: -f json has them.")
        });
    }
    notes
}

fn note(run: &Run, problem: &PerfMapProblem) -> String {
    format!(
        "The perf map of {}, which names code made at run time, {}.",
        owner(run, problem.pid),
        in_words(problem)
    )
}

/// What is wrong, harmless.
pub(super) fn in_words(problem: &PerfMapProblem) -> String {
    shorten(&printable(&problem.problem), MAX_PROBLEM)
}

/// `node (4242)`: by the last program that ran under the process id.
pub(super) fn owner(run: &Run, pid: u32) -> String {
    let process = run.processes.iter().rfind(|process| process.pid == pid);
    match process {
        Some(process) => format!("{} ({pid})", shorten(&named(&process.comm), MAX_NAME)),
        None => format!("process {pid}"),
    }
}
