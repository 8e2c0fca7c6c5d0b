//! Which processes copied.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use super::view::View;
use crate::{
    report::columns::{PROCESSES, ProcessRow},
    run::{Process, Role, Run, Successors},
    terminal::{Style, item, section},
    verdict::kinship_in_words,
    words::{plural, shorten, size, what_runs},
};

const MOST_PROCESSES: usize = 12;
/// Longer names are cut.
const MAX_NAME: usize = 32;
/// Groups in the short report.
const MOST_GROUPS: usize = 4;
/// Processes are alike if the one with the fewest copies has at least this share of those of the first.
const ALIKE: f64 = 0.9;

/// Writes the section.
pub(super) fn write_processes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let processes = processes_by_copies(run);
    let successors = Successors::of(&run.memory);
    let view = View::of(&PROCESSES);
    let mut table = view.grid().dispensable(&[1, 2, 4]).shorter(4, 5);
    for process in processes.iter().take(MOST_PROCESSES) {
        let row = ProcessRow::of(run, process, &successors);
        table.add(view.figures(&row), move |room| shorten(&row.name, room));
    }
    let explained = if table.shows(1, style) {
        " (reused: write faults that copied nothing)"
    } else {
        ""
    };
    section(&format!("WHO COPIED{explained}"), style, out)?;
    writeln!(out, "{}", table.lines(style))?;
    let others = processes.get(MOST_PROCESSES..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|process| process.copied.total()).sum();
        writeln!(
            out,
            "  and {} with {}",
            plural(others.len() as u64, "more process"),
            size(run.bytes(pages))
        )?;
    }
    write_kinship(run, style, out)
}

/// Masters and those that copied, most copies first.
fn processes_by_copies(run: &Run) -> Vec<&Process> {
    let told = |process: &&Process| process.copied.total() > 0 || process.role == Role::Master;
    let mut processes: Vec<&Process> = run.memory.processes.iter().filter(told).collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    processes
}

/// Writes the section in short: those that are alike in one line.
pub(super) fn write_groups(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let all = size(run.bytes(run.copied().total()));
    section(&format!("WHO COPIED ({all} in all)"), style, out)?;
    let successors = Successors::of(&run.memory);
    let groups = groups_of_alike(run, processes_by_copies(run));
    for group in groups.iter().take(MOST_GROUPS) {
        item(&group_in_words(run, group, &successors), style, out)?;
    }
    let others = groups.get(MOST_GROUPS..).unwrap_or_default();
    let others: Vec<&Process> = others.iter().flatten().copied().collect();
    if !others.is_empty() {
        let pages = others.iter().map(|process| process.copied.total()).sum();
        let number = plural(others.len() as u64, "other");
        item(
            &format!("({number}, {})", size(run.bytes(pages))),
            style,
            out,
        )?;
    }
    write_kinship(run, style, out)
}

/// Writes what the children are, where they are not all forks of the master.
fn write_kinship(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match kinship_in_words(run) {
        Some(kinship) => item(&kinship, style, out),
        None => Ok(()),
    }
}

/// Processes of the same role that run the same with about as many copies, in the order of the first of each
/// group. Titles may number the workers.
fn groups_of_alike<'a>(run: &Run, processes: Vec<&'a Process>) -> Vec<Vec<&'a Process>> {
    let mut groups: Vec<Vec<&Process>> = Vec::new();
    let mut last: HashMap<(Role, String), usize> = HashMap::new();
    for process in processes {
        let kind = (process.role, without_numbers(&what_runs(run, process)));
        let group = last.get(&kind).and_then(|at| groups.get_mut(*at));
        let is_alike = |group: &Vec<&Process>| {
            let most = group.first().map_or(0, |first| first.copied.total());
            process.copied.total() as f64 >= most as f64 * ALIKE
        };
        match group {
            Some(group) if is_alike(group) => group.push(process),
            _ => {
                last.insert(kind, groups.len());
                groups.push(vec![process]);
            }
        }
    }
    groups
}

/// Without digits: `worker 1` and `worker 12` are alike.
fn without_numbers(name: &str) -> String {
    name.chars()
        .filter(|letter| !letter.is_ascii_digit())
        .collect()
}

/// `29 workers, 24.0 MiB each (app.py)`.
fn group_in_words(run: &Run, group: &[&Process], successors: &Successors<'_>) -> String {
    let Some((first, last)) = group.first().zip(group.last()) else {
        return String::new();
    };
    let copied = |process: &Process| size(run.bytes(process.copied.total()));
    let (most, fewest) = (copied(first), copied(last));
    let name = shorten(&what_runs(run, first), MAX_NAME);
    if group.len() == 1 {
        let ended = ends_in_words(group, successors);
        return format!("{} {}, {most} ({name}{ended})", role(first), first.pid);
    }
    let each = if most == fewest {
        most
    } else {
        format!("{fewest} to {most}")
    };
    let number = plural(group.len() as u64, role(first));
    let ended = ends_in_words(group, successors);
    format!("{number}, {each} each ({name}{ended})")
}

/// `master`, `worker`; `process` if it was started as a program of its own.
fn role(process: &Process) -> &'static str {
    let has_inherited = process.inherited_pages.is_some() || process.pid == 0;
    if process.role == Role::Worker && !has_inherited {
        "process"
    } else {
        process.role.name()
    }
}

/// How many of a group ended, and how: each process in one way.
fn ends_in_words(group: &[&Process], successors: &Successors<'_>) -> String {
    let (mut killed, mut became, mut exited) = (0, 0, 0);
    for process in group {
        if successors.after(process).is_some() {
            became += 1;
        } else if process.exit.is_some_and(|exit| exit.out_of_memory) {
            killed += 1;
        } else if process.exited_ns.is_some() {
            exited += 1;
        }
    }
    let of = |number: usize, what: &str| match (number, group.len()) {
        (0, _) => String::new(),
        (_, 1) => format!(", {what}"),
        (all, size) if all == size => format!(", all {what}"),
        (some, _) => format!(", {some} {what}"),
    };
    [
        of(exited, "exited"),
        of(became, "started another program"),
        of(killed, "killed for lack of memory"),
    ]
    .concat()
}
