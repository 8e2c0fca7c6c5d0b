//! The report for people: the answer first, then where, who, and what was lost.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    answer::{facts, losses, summary},
    holders,
    sentences::in_short,
    strip::{bar, strip},
    writers::writers,
};
use crate::{
    run::{Ending, Process, Region, Role, Row, Run},
    terminal::{Grid, Style, heading, indented, paragraph, section},
    words::{
        OUTSIDE_HISTOGRAM, count, cut, named, own_memory_name, percent, plural, printable,
        region_name, shorten, size,
    },
};

const MOST_REGIONS: usize = 10;
const MOST_PROCESSES: usize = 12;
const MOST_STRIPS: usize = 3;
const MOST_OWN: usize = 4;
/// Longer labels are cut.
const MAX_LABEL: usize = 60;
/// Regions below this share of all copies get no strip.
const STRIP_SHARE: f64 = 0.02;

/// Writes a run as text.
pub fn text(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    head(run, style, out)?;
    if run.copied().total() > 0 {
        regions(run, style, out)?;
        strips(run, style, out)?;
        writers(run, style, out)?;
        holders::holders(run, style, out)?;
        processes(run, style, out)?;
    }
    lost(run, style, out)
}

fn head(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    heading(&format!("{}.", summary(run)), style, out)?;
    for text in in_short(run).iter().chain(&holders::in_short(run)) {
        paragraph(text, style, out)?;
    }
    let facts: Vec<String> = facts(run).into_iter().chain(labels(run)).collect();
    paragraph(&facts.join(" "), style, out)
}

fn labels(run: &Run) -> Option<String> {
    let label = |(key, value): (&String, &String)| {
        let text = format!("{key}={value}");
        shorten(&printable(&text), MAX_LABEL)
    };
    let labels: Vec<String> = run.head.labels.iter().map(label).collect();
    (!labels.is_empty()).then(|| format!("Labels: {}.", labels.join(", ")))
}

fn regions(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let regions = run.regions_by_copies();
    let header = ["copied", "of", "unshared", "", "mapping"];
    let mut table = Grid::new(&header, &[0, 1, 2]).dispensable(&[3, 1, 2]);
    for region in regions.iter().take(MOST_REGIONS) {
        let fraction = region.unshared_fraction();
        let resident = size(run.bytes(region.mapping.resident_pages));
        let figures = [
            size(run.bytes(region.copied_pages)),
            if region.inheritors == 0 {
                resident
            } else {
                format!("{resident} x {}", count(region.inheritors))
            },
            fraction.map(percent).unwrap_or_default(),
            bar(fraction.unwrap_or(0.0), 8),
        ];
        let name = region_name(run, region);
        table.add(figures, move |room| shorten(&name, room));
    }
    for (name, pages) in rest(run, &regions) {
        let [a, b, c] = [const { String::new() }; 3];
        table.add([size(run.bytes(pages)), a, b, c], move |room| {
            cut(&name, room)
        });
    }
    let explained = if table.shows(1, style) {
        " (present memory x processes that inherited it)"
    } else {
        ""
    };
    section(
        &format!("WHERE THE COPIES COME FROM{explained}"),
        style,
        out,
    )?;
    writeln!(out, "{}", table.lines(style))
}

/// What stands in no region of the table: smaller regions together, then memory of the processes
/// themselves by name.
fn rest(run: &Run, regions: &[&Region]) -> Vec<(String, u64)> {
    let mut rest = Vec::new();
    let others = regions.get(MOST_REGIONS..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|region| region.copied_pages).sum();
        rest.push((plural(others.len() as u64, "more mapping"), pages));
    }
    let mut own = own_memory(run);
    let tail: u64 = own.iter().skip(MOST_OWN).map(|(_, pages)| pages).sum();
    own.truncate(MOST_OWN);
    rest.extend(own);
    if tail > 0 {
        rest.push(("own memory: other mappings".into(), tail));
    }
    rest
}

/// Pages copied in memory of the processes themselves by its name, most first.
pub(super) fn own_memory(run: &Run) -> Vec<(String, u64)> {
    let mut own: BTreeMap<String, u64> = BTreeMap::new();
    for row in run.memory.rows.iter().filter(|row| row.region_id.is_none()) {
        *own.entry(own_name(row)).or_default() += row.copied.total();
    }
    let mut own: Vec<_> = own.into_iter().filter(|(_, pages)| *pages > 0).collect();
    own.sort_by_key(|(name, pages)| (std::cmp::Reverse(*pages), name.clone()));
    own
}

fn own_name(row: &Row) -> String {
    match (row.mapping.as_deref(), row.start) {
        (None, None) => OUTSIDE_HISTOGRAM.into(),
        (mapping, _) => own_memory_name(mapping),
    }
}

fn strips(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let total = run.copied().total() as f64;
    let large = |region: &&Region| {
        region.copied_pages as f64 >= total * STRIP_SHARE
            && region.mapping.size_bytes() > run.memory.range_bytes
    };
    let regions: Vec<&Region> = run.regions_by_copies().into_iter().filter(large).collect();
    if regions.is_empty() {
        return Ok(());
    }
    section(
        "WHERE IN THEM (low to high addresses; full block: a copy for every inheritor)",
        style,
        out,
    )?;
    let width = style.width - 2;
    for region in regions.into_iter().take(MOST_STRIPS) {
        let cell = region.mapping.size_bytes() / width as u64;
        let legend = format!(", {} a character", size(cell));
        let name = shorten(
            &region_name(run, region),
            width.saturating_sub(legend.len()),
        );
        let strip = strip(
            region,
            &run.memory.rows,
            run.memory.range_bytes,
            run.head.host.page_bytes,
            width,
        );
        writeln!(out, "  {name}{legend}\n  {strip}")?;
    }
    Ok(())
}

fn processes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told = |process: &&Process| process.copied.total() > 0 || process.role == Role::Master;
    let mut processes: Vec<&Process> = run.memory.processes.iter().filter(told).collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    let header = ["copied", "reused", "inherited", "pid", "", "", "process"];
    let mut table = Grid::new(&header, &[0, 1, 2, 3])
        .dispensable(&[1, 2, 4])
        .shorter(4, 5);
    for process in processes.iter().take(MOST_PROCESSES) {
        let inherited = process.inherited_pages.map(|pages| size(run.bytes(pages)));
        let role = process.role.name();
        let state = state(process);
        let figures = [
            size(run.bytes(process.copied.total())),
            count(process.reused_faults),
            inherited.unwrap_or_default(),
            if process.pid == 0 {
                String::new()
            } else {
                process.pid.to_string()
            },
            format!("{role}{state}"),
            role.to_owned(),
        ];
        table.add(figures, |room| shorten(&named(&process.comm), room));
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
    Ok(())
}

/// What became of a process.
fn state(process: &Process) -> String {
    match process.exit.map(|exit| (exit.ending, exit.signal_name())) {
        Some((Ending::Status(status), _)) => format!(", exited ({status})"),
        Some((Ending::Signal(_), Some(name))) => format!(", {name}"),
        Some((Ending::Signal(signal), None)) => format!(", signal {signal}"),
        None if process.exited_ns.is_some() => ", exited".into(),
        None => String::new(),
    }
}

fn lost(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let losses = losses(run);
    if !losses.is_empty() {
        section("LOST", style, out)?;
    }
    losses
        .iter()
        .try_for_each(|text| indented(text, style, out))
}
