//! What each child of the traced programs is: forked, from which process, or started as a program of its own.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    run::{Role, Run, Workers},
    words::{count, last_of_pid, program_of, shorten},
};

/// Most processes and programs that are named.
const MOST_NAMED: usize = 3;
/// Longer names of programs are cut.
const MAX_NAME: usize = 40;

/// `3 forked from gunicorn (4242); 1 started anew (multiprocessing.resource_tracker)`. None where all workers
/// were forked from the only master: that is what is expected.
pub(crate) fn kinship_in_words(run: &Run) -> Option<String> {
    let workforce = run.workforce();
    let forked = forked_by_donor(run, &workforce);
    let is_plain = match forked.as_slice() {
        [] => true,
        [(donor, _)] => is_only_master(run, *donor),
        _ => false,
    };
    let programs = &workforce.started.last_images;
    if is_plain && programs.is_empty() {
        return None;
    }
    let mut parts: Vec<String> = forked
        .iter()
        .take(MOST_NAMED)
        .map(|(donor, number)| {
            format!(
                "{} forked from {}",
                count(*number),
                last_of_pid(run, *donor)
            )
        })
        .collect();
    let others = forked.iter().skip(MOST_NAMED);
    let others: u64 = others.map(|(_, number)| number).sum();
    if others > 0 {
        parts.push(format!("{} forked from others", count(others)));
    }
    if !programs.is_empty() {
        let number = count(programs.len() as u64);
        parts.push(format!(
            "{number} started anew ({})",
            names_of_images(run, programs)
        ));
    }
    Some(parts.join("; "))
}

/// Workers by the process id of the one that they inherited from, most first.
fn forked_by_donor(run: &Run, workforce: &Workers<'_>) -> Vec<(u32, u64)> {
    let mut numbers: BTreeMap<u32, u64> = BTreeMap::new();
    for worker in &workforce.workers {
        let donor = worker.donor.and_then(|id| run.process(id));
        if let Some(donor) = donor {
            *numbers.entry(donor.pid).or_default() += 1;
        }
    }
    let mut numbers: Vec<(u32, u64)> = numbers.into_iter().collect();
    numbers.sort_by_key(|(_, number)| Reverse(*number));
    numbers
}

fn is_only_master(run: &Run, pid: u32) -> bool {
    let processes = run.memory.processes.iter();
    let mut masters = processes.filter(|process| process.role == Role::Master);
    masters.all(|master| master.pid == pid)
}

/// `resource_tracker, 2 sh and 3 others`.
pub(super) fn names_of_images(run: &Run, images: &[u32]) -> String {
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    for process in images.iter().filter_map(|id| run.process(*id)) {
        *numbers
            .entry(shorten(&program_of(run, process), MAX_NAME))
            .or_default() += 1;
    }
    let mut numbers: Vec<(String, u64)> = numbers.into_iter().collect();
    numbers.sort_by_key(|(_, number)| Reverse(*number));
    let leading = numbers.iter().take(MOST_NAMED);
    let mut names: Vec<String> = leading
        .map(|(name, number)| match number {
            1 => name.clone(),
            number => format!("{} {name}", count(*number)),
        })
        .collect();
    let others: u64 = numbers
        .iter()
        .skip(MOST_NAMED)
        .map(|(_, number)| number)
        .sum();
    match others {
        0 => {}
        1 => names.push("1 other".into()),
        others => names.push(format!("{} others", count(others))),
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{CommandLine, Process, Sources, arbitrary};

    fn process(id: u32, parent_id: Option<u32>, inherited_pages: Option<u64>) -> Process {
        Process {
            id,
            pid: 100 + id,
            parent_id,
            comm: "python3".into(),
            role: if id == 0 { Role::Master } else { Role::Worker },
            started_ns: 0,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages,
            target: None,
        }
    }

    fn run_of(processes: Vec<Process>, lines: &[(u32, &str)]) -> Run {
        let mut run = arbitrary::empty();
        run.memory.processes = processes;
        let line = |&(process_id, text): &(u32, &str)| CommandLine {
            process_id,
            text: text.into(),
        };
        run.memory.command_lines = lines.iter().map(line).collect();
        run
    }

    #[test]
    fn children_of_the_only_master_need_no_words() {
        let worker = |id| process(id, Some(0), Some(9));
        let run = run_of(vec![process(0, None, None), worker(1), worker(2)], &[]);
        assert_eq!(kinship_in_words(&run), None);
        assert_eq!(kinship_in_words(&arbitrary::empty()), None);
    }

    #[test]
    fn a_forkservers_children_are_told_from_what_was_started() {
        let processes = vec![
            process(0, None, None),
            process(1, Some(0), None),
            process(2, Some(0), None),
            process(3, Some(2), Some(9)),
            process(4, Some(2), Some(9)),
        ];
        let lines = [
            (0, "app.py 80"),
            (1, "multiprocessing.resource_tracker"),
            (2, "multiprocessing.forkserver"),
        ];
        let told = kinship_in_words(&run_of(processes, &lines)).unwrap();
        assert_eq!(
            told,
            "2 forked from multiprocessing.forkserver (102); 2 started anew \
             (multiprocessing.forkserver, multiprocessing.resource_tracker)"
        );
    }
}
