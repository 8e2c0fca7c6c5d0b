//! Which processes copied, and which have new memory.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
};

use super::view::View;
use crate::{
    report::columns::{NOTE_ON_NEW, PROCESSES, ProcessRows},
    run::{Process, Role, Run, Successors},
    terminal::{Style, indented, item, section},
    verdict::kinship_in_words,
    words::{count, cut, plural, role_in_words, shorten, size, what_runs},
};

const MOST_PROCESSES: usize = 12;
/// A child that lived for less and is no worker has no line of its own, ns.
const MOMENT_NS: u64 = 1_000_000_000;
/// Longer names are cut.
const MAX_NAME: usize = 32;
/// Groups in the short report.
const MOST_GROUPS: usize = 4;
/// Processes are alike if the one with the fewest copies has at least this share of those of the first.
const ALIKE: f64 = 0.9;

/// Columns of new memory, by their places among the figures.
const NEW_COLUMNS: [usize; 2] = [1, 2];
/// That of faults that copied nothing.
const REUSED: usize = 3;

/// Writes the section.
pub(super) fn write_processes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let rows = ProcessRows::of(run);
    let processes = processes_by_growth(run, &rows);
    if run.copied().total() == 0 && processes.iter().all(|it| rows.new_of(it).held == 0) {
        return Ok(());
    }
    let view = View::of(&PROCESSES);
    let hidden: &[usize] = if rows.have_new() { &[] } else { &NEW_COLUMNS };
    let table = view.grid().dispensable(&[REUSED, 2, 4, 6]).shorter(6, 7);
    let mut table = table.hidden(hidden);
    for process in processes.iter().take(MOST_PROCESSES) {
        let row = rows.row(process);
        table.add(view.figures(&row), move |room| shorten(&row.name, room));
    }
    let explained = if table.shows(REUSED, style) {
        " (reused: write faults that copied nothing)"
    } else {
        ""
    };
    let title = title_of_section(run, rows.have_new());
    section(&format!("{title}{explained}"), style, out)?;
    writeln!(out, "{}", table.lines(style))?;
    let others = processes.get(MOST_PROCESSES..).unwrap_or_default();
    if !others.is_empty() {
        writeln!(
            out,
            "  and {} with {}",
            plural(others.len() as u64, "more process"),
            sums_in_words(run, others, &rows)
        )?;
    }
    if rows.have_new() {
        indented(NOTE_ON_NEW, style, out)?;
    }
    write_kinship(run, style, out)
}

fn title_of_section(run: &Run, has_new: bool) -> &'static str {
    match (run.copied().total(), has_new) {
        (_, false) => "WHO COPIED",
        (0, true) => "WHO GREW",
        (_, true) => "WHO COPIED AND WHO GREW",
    }
}

/// What processes copied, and have of new memory if that is known.
fn sums_in_words(run: &Run, processes: &[&Process], rows: &ProcessRows<'_>) -> String {
    let copied = processes.iter().map(|it| it.copied.total()).sum();
    let copied = size(run.bytes(copied));
    let new: u64 = processes.iter().map(|it| rows.new_of(it).held).sum();
    if new == 0 {
        return copied;
    }
    format!("{copied} copied and {} new", size(run.bytes(new)))
}

/// Masters, and those that copied or have new memory, most of both first.
fn processes_by_growth<'a>(run: &'a Run, rows: &ProcessRows<'_>) -> Vec<&'a Process> {
    let pages = |process: &Process| process.copied.total() + rows.new_of(process).held;
    let is_shown = |process: &&Process| pages(process) > 0 || process.role == Role::Master;
    let mut processes: Vec<&Process> = run.memory.processes.iter().filter(is_shown).collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(pages(process)), process.id));
    processes
}

/// Writes the section in short: those that are alike in one line. New memory is left out unless it is what the
/// report is about.
pub(super) fn write_groups(
    run: &Run,
    is_about_new: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = ProcessRows::of(run);
    let processes = if is_about_new {
        processes_by_growth(run, &rows)
    } else {
        processes_by_copies(run)
    };
    write_title_of_groups(run, &rows, &processes, is_about_new, style, out)?;
    let workers = run.workforce().images;
    let is_passing = |it: &&Process| {
        it.role != Role::Master && !workers.contains(&it.id) && lived_for_a_moment(it)
    };
    let (passing, lasting): (Vec<_>, Vec<_>) = processes.into_iter().partition(is_passing);
    let groups = groups_of_alike(run, lasting, &rows, is_about_new);
    for group in groups.iter().take(MOST_GROUPS) {
        item(&group_in_words(run, group, &rows, is_about_new), style, out)?;
    }
    let others = groups.get(MOST_GROUPS..).unwrap_or_default();
    let others: Vec<&Process> = others.iter().flatten().copied().collect();
    if !others.is_empty() {
        let number = plural(others.len() as u64, "other");
        let sums = if is_about_new {
            sums_in_words(run, &others, &rows)
        } else {
            size(run.bytes(others.iter().map(|it| it.copied.total()).sum()))
        };
        item(&format!("({number}, {sums})"), style, out)?;
    }
    if !passing.is_empty() {
        item(&passing_in_words(run, &passing), style, out)?;
    }
    write_kinship(run, style, out)
}

/// The title with the sums of all.
fn write_title_of_groups(
    run: &Run,
    rows: &ProcessRows<'_>,
    processes: &[&Process],
    is_about_new: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let copied = size(run.bytes(run.copied().total()));
    let new: u64 = processes.iter().map(|it| rows.new_of(it).held).sum();
    let figures = if is_about_new && new > 0 {
        format!(
            "{copied} copied in all, {} new at the end",
            size(run.bytes(new))
        )
    } else {
        format!("{copied} in all")
    };
    let title = title_of_section(run, is_about_new && new > 0);
    section(&format!("{title} ({figures})"), style, out)
}

/// Whether it ended before it could work with what it inherited.
fn lived_for_a_moment(process: &Process) -> bool {
    let ended = process.exited_ns;
    ended.is_some_and(|ended| ended.saturating_sub(process.started_ns) < MOMENT_NS)
}

/// `120 short-lived children that are no workers, 3 MiB in all, 1 MiB of it before they ran other programs`.
fn passing_in_words(run: &Run, passing: &[&Process]) -> String {
    let pids: HashSet<u32> = passing.iter().map(|it| it.pid).collect();
    let pages = |of: &dyn Fn(&&&Process) -> bool| {
        let processes = passing.iter().filter(of);
        size(run.bytes(processes.map(|it| it.copied.total()).sum()))
    };
    let (are, children) = match pids.len() {
        1 => ("is no worker", "child"),
        _ => ("are no workers", "children"),
    };
    let ran_others = passing.iter().any(|it| it.inherited_pages.is_none());
    let before = if ran_others {
        let before = pages(&|it| it.inherited_pages.is_some());
        format!(", {before} of it before they ran other programs")
    } else {
        String::new()
    };
    format!(
        "{} short-lived {children} that {are}, {} in all{before}",
        count(pids.len() as u64),
        pages(&|_| true),
    )
}

/// Masters and those that copied, most copies first.
fn processes_by_copies(run: &Run) -> Vec<&Process> {
    let is_shown = |process: &&Process| process.copied.total() > 0 || process.role == Role::Master;
    let mut processes: Vec<&Process> = run.memory.processes.iter().filter(is_shown).collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    processes
}

/// Writes what the children are, where they are not all forks of the master.
fn write_kinship(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match kinship_in_words(run) {
        Some(kinship) => item(&kinship, style, out),
        None => Ok(()),
    }
}

/// Processes of the same role that run the same with about as many copies, and about as much new memory if that
/// matters, in the order of the first of each group. Titles may number the workers.
fn groups_of_alike<'a>(
    run: &Run,
    processes: Vec<&'a Process>,
    rows: &ProcessRows<'_>,
    is_about_new: bool,
) -> Vec<Vec<&'a Process>> {
    let mut groups: Vec<Vec<&Process>> = Vec::new();
    let mut last: HashMap<(Role, String), usize> = HashMap::new();
    let figures = |process: &Process| {
        let new = if is_about_new {
            rows.new_of(process).held
        } else {
            0
        };
        [process.copied.total(), new]
    };
    for process in processes {
        let kind = (process.role, without_numbers(&what_runs(run, process)));
        let group = last.get(&kind).and_then(|at| groups.get_mut(*at));
        let is_alike = |group: &Vec<&Process>| {
            let first = group.first().map_or([0, 0], |first| figures(first));
            let mut pairs = first.into_iter().zip(figures(process));
            // In the order of both together one of them may rise.
            pairs.all(|(one, other)| one.min(other) as f64 >= one.max(other) as f64 * ALIKE)
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

/// `29 workers, 24.0 MiB each (app.py)`, `worker 4250, 3.0 MiB copied, 40.0 MiB new (app.py)`.
fn group_in_words(
    run: &Run,
    group: &[&Process],
    rows: &ProcessRows<'_>,
    is_about_new: bool,
) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let copied = range_of_sizes(run, group, |it| it.copied.total());
    let new = range_of_sizes(run, group, |it| rows.new_of(it).held);
    let figures = if is_about_new {
        format!("{copied} copied, {new} new")
    } else {
        copied
    };
    let name = cut(&what_runs(run, first), MAX_NAME);
    let ended = ends_in_words(group, rows.successors());
    if group.len() == 1 {
        let (role, pid) = (role_in_words(first), first.pid);
        return format!("{role} {pid}, {figures} ({name}{ended})");
    }
    let number = plural(group.len() as u64, role_in_words(first));
    format!("{number}, {figures} each ({name}{ended})")
}

/// `24.0 MiB`, `22.0 MiB to 24.0 MiB`.
fn range_of_sizes(run: &Run, group: &[&Process], pages: impl Fn(&Process) -> u64) -> String {
    let all = || group.iter().map(|it| pages(it));
    let least = size(run.bytes(all().min().unwrap_or(0)));
    let most = size(run.bytes(all().max().unwrap_or(0)));
    if least == most {
        most
    } else {
        format!("{least} to {most}")
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
