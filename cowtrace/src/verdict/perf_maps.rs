//! What was wrong with perf maps, in words.

use crate::{
    run::{PerfMapProblem, Run},
    words::{last_of_pid, plural, printable, shorten},
};

/// Processes that are told one by one.
const MOST: usize = 3;
/// Longer explanations are cut: those of a recording may hold anything.
const MAX_PROBLEM: usize = 200;

/// A sentence for each process, and one for the others.
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

/// What is wrong, harmless.
pub(crate) fn problem_of_perf_map(problem: &PerfMapProblem) -> String {
    shorten(&printable(&problem.problem), MAX_PROBLEM)
}
