//! Problems with perf maps, in words.

use crate::{
    run::{PerfMapProblem, Run},
    words::{last_of_pid, plural, printable, shorten},
};

/// Most processes that are named one by one.
const MOST: usize = 3;
/// Longer explanations are cut, because a recording may contain anything.
const MAX_PROBLEM: usize = 200;

/// One sentence per process, and one for all others.
pub(crate) fn notes_on_perf_maps(run: &Run) -> Vec<String> {
    let problems = &run.who_wrote.perf_map_problems;
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
        last_of_pid(run, problem.pid),
        problem_of_perf_map(problem)
    )
}

/// The problem, escaped.
pub(crate) fn problem_of_perf_map(problem: &PerfMapProblem) -> String {
    shorten(&printable(&problem.problem), MAX_PROBLEM)
}
