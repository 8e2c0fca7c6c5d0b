//! The report for people: the answer first, then where, who, and what was lost.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{
    Style,
    strip::{bar, strip},
    words::{count, percent, plural, printable, seconds, shorten, size},
};
use crate::run::{Process, Region, Role, Row, Run};

const MOST_REGIONS: usize = 10;
const MOST_PROCESSES: usize = 12;
const MOST_STRIPS: usize = 3;
/// Regions below this share of all copies get no strip.
const STRIP_SHARE: f64 = 0.02;

/// Writes a run as text.
pub fn text(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    head(run, style, out)?;
    if run.copied().total() > 0 {
        regions(run, style, out)?;
        strips(run, style, out)?;
        processes(run, style, out)?;
    }
    lost(run, out)
}

/// The answer in one sentence.
pub(super) fn summary(run: &Run) -> String {
    let copied = run.copied();
    let copiers = run
        .workers()
        .filter(|worker| worker.copied.total() > 0)
        .count();
    if copied.total() == 0 {
        let workers = run.workers().count();
        return format!(
            "No page was copied on write in {} ({} seen)",
            seconds(run.duration_ns),
            plural(workers, "worker")
        );
    }
    let by_workers: u64 = run.workers().map(|worker| worker.copied.total()).sum();
    let who = match (copiers, by_workers == copied.total()) {
        (0, _) => "the master".to_owned(),
        (_, true) => plural(copiers, "worker"),
        (_, false) => format!("{} and the master", plural(copiers, "worker")),
    };
    let mut text = format!(
        "{} copied on write by {who} in {}: {} pages",
        size(run.bytes(copied.total())),
        seconds(run.duration_ns),
        count(copied.total()),
    );
    if let Some(top) = run.regions_by_copies().first() {
        let share = top.copied_pages as f64 / copied.total() as f64;
        text += &format!(", {} of them in {}", percent(share), owned_name(run, top));
    }
    text
}

fn head(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let summary = summary(run);
    let mut lines = wrap(&summary, style.width).into_iter();
    if let Some(first) = lines.next() {
        writeln!(out, "{}", bold(&first, style))?;
    }
    for line in lines {
        writeln!(out, "{}", bold(&line, style))?;
    }
    let ceiling = run.ceiling_bytes();
    let inherited: u64 = run.regions.iter().map(|region| region.unshared_pages).sum();
    if ceiling > 0 && run.copied().total() > 0 {
        let share = run.bytes(inherited) as f64 / ceiling as f64;
        let line = format!(
            "That is {} of the {} that {} inherited; copying can use no more than that.",
            percent(share.min(1.0)),
            size(ceiling),
            plural(run.workers().count(), "worker"),
        );
        for line in wrap(&line, style.width) {
            writeln!(out, "{line}")?;
        }
    }
    if run.reused_faults() > 0 {
        writeln!(
            out,
            "{} more write faults copied nothing and cost no memory.",
            count(run.reused_faults())
        )?;
    }
    writeln!(
        out,
        "Measured with the {} backend on {}, {}, in ranges of {}.",
        run.backend,
        shorten(&printable(&run.host.kernel), 28),
        run.host.arch,
        size(run.range_bytes)
    )
}

fn regions(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let regions = run.regions_by_copies();
    let mut table = table(
        style,
        &["copied", "of", "shared by", "unshared", "", "mapping"],
        &[0, 1, 2, 3],
    );
    let name_width = style.width.saturating_sub(58).max(20);
    for region in regions.iter().take(MOST_REGIONS) {
        let fraction = region.unshared_fraction();
        table.add_row([
            size(run.bytes(region.copied_pages)),
            size(run.bytes(region.mapping.resident_pages)),
            plural(
                usize::try_from(region.inheritors).unwrap_or(usize::MAX),
                "child",
            )
            .replace("childs", "children"),
            fraction.map(percent).unwrap_or_default(),
            bar(fraction.unwrap_or(0.0), 8),
            shorten(&region_name(run, region), name_width),
        ]);
    }
    for (name, pages) in rest(run, &regions) {
        table.add_row([
            size(run.bytes(pages)),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            shorten(&name, name_width),
        ]);
    }
    section("WHERE THE COPIES COME FROM", style, out)?;
    writeln!(out, "{}", trimmed(&table))
}

/// What stands in no region of the table: smaller regions together, then memory of the processes
/// themselves by name.
fn rest(run: &Run, regions: &[&Region]) -> Vec<(String, u64)> {
    let mut rest = Vec::new();
    let others = regions.get(MOST_REGIONS..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|region| region.copied_pages).sum();
        rest.push((format!("{} more", plural(others.len(), "mapping")), pages));
    }
    let mut own: BTreeMap<String, u64> = BTreeMap::new();
    for row in run.rows.iter().filter(|row| row.region_id.is_none()) {
        *own.entry(own_name(row)).or_default() += row.copied.total();
    }
    let mut own: Vec<_> = own.into_iter().filter(|(_, pages)| *pages > 0).collect();
    own.sort_by_key(|(name, pages)| (std::cmp::Reverse(*pages), name.clone()));
    let tail: u64 = own.iter().skip(4).map(|(_, pages)| pages).sum();
    own.truncate(4);
    rest.extend(own);
    if tail > 0 {
        rest.push(("other memory mapped after the fork".into(), tail));
    }
    rest
}

fn own_name(row: &Row) -> String {
    match (&row.mapping, row.start) {
        (Some(name), _) => format!("{}, mapped after the fork", printable(name)),
        (None, Some(_)) => "mapped after the fork".into(),
        (None, None) => "not in the histogram".into(),
    }
}

fn strips(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let total = run.copied().total() as f64;
    let large = |region: &&&Region| {
        region.copied_pages as f64 >= total * STRIP_SHARE
            && region.mapping.size_bytes() > run.range_bytes
    };
    let regions = run.regions_by_copies();
    for (index, region) in regions.iter().filter(large).take(MOST_STRIPS).enumerate() {
        if index == 0 {
            section(
                "WHERE IN IT, from low to high addresses; a full block is copied by every child",
                style,
                out,
            )?;
        }
        let width = style.width - 2;
        let cell = region.mapping.size_bytes() / width as u64;
        let from = format!("{:#x}", region.mapping.start);
        let name = shorten(
            &region_name(run, region),
            style.width.saturating_sub(from.len() + 34),
        );
        writeln!(out, "  {name}, from {from}, {} a character", size(cell))?;
        writeln!(
            out,
            "  {}",
            strip(
                region,
                &run.rows,
                run.range_bytes,
                run.host.page_bytes,
                width
            )
        )?;
    }
    Ok(())
}

fn processes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut processes: Vec<&Process> = run
        .processes
        .iter()
        .filter(|process| process.copied.total() > 0 || process.role == Role::Master)
        .collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    let mut table = table(
        style,
        &["copied", "reused", "inherited", "pid", "", "process"],
        &[0, 1, 2, 3],
    );
    let name_width = style.width.saturating_sub(58).max(16);
    for process in processes.iter().take(MOST_PROCESSES) {
        let role = if process.role == Role::Master {
            "master"
        } else {
            "worker"
        };
        table.add_row([
            size(run.bytes(process.copied.total())),
            count(process.reused_faults),
            process
                .inherited_pages
                .map(|pages| size(run.bytes(pages)))
                .unwrap_or_default(),
            if process.pid == 0 {
                String::new()
            } else {
                process.pid.to_string()
            },
            format!(
                "{role}{}",
                if process.exited_ns.is_some() {
                    ", exited"
                } else {
                    ""
                }
            ),
            shorten(&printable(&process.comm), name_width),
        ]);
    }
    let others = processes.get(MOST_PROCESSES..).unwrap_or_default();
    section("WHO COPIED", style, out)?;
    writeln!(out, "{}", trimmed(&table))?;
    if !others.is_empty() {
        let pages = others.iter().map(|process| process.copied.total()).sum();
        writeln!(
            out,
            "  and {} more with {}",
            plural(others.len(), "process").replace("processs", "processes"),
            size(run.bytes(pages))
        )?;
    }
    Ok(())
}

fn lost(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let mut any = false;
    for (cause, count) in run.loss.happened() {
        if !any {
            writeln!(out, "\nLOST")?;
            any = true;
        }
        let warning = if cause.totals_suffer {
            " (totals may be too low)"
        } else {
            ""
        };
        writeln!(
            out,
            "  {} {}{warning}",
            super::words::count(count),
            cause.meaning
        )?;
    }
    Ok(())
}

/// `[heap]`, `/usr/lib/x.so rw-p`.
fn region_name(run: &Run, region: &Region) -> String {
    let name = printable(&region.mapping.name);
    let targets = run
        .processes
        .iter()
        .filter(|process| process.role == Role::Master)
        .count();
    let is_master = run
        .process(region.process_id)
        .is_some_and(|process| process.role == Role::Master);
    if is_master && targets <= 1 {
        name
    } else {
        owned_name(run, region)
    }
}

/// `[heap] of python3 (4242)`.
fn owned_name(run: &Run, region: &Region) -> String {
    let name = printable(&region.mapping.name);
    match run.process(region.process_id) {
        Some(process) => format!("{name} of {} ({})", printable(&process.comm), process.pid),
        None => name,
    }
}

fn table(style: Style, header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_width(u16::try_from(style.width).unwrap_or(80));
    table.set_header(header);
    for &index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn trimmed(table: &Table) -> String {
    table
        .trim_fmt()
        .lines()
        .map(|line| format!(" {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn section(title: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{}", bold(title, style))
}

fn bold(text: &str, style: Style) -> String {
    if style.color {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Lines of at most `width` columns, broken at spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines
            .last_mut()
            .filter(|line| line.chars().count() + 1 + word.chars().count() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
