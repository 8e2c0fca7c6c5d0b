//! A comparison for people: the answer, the warnings, and the largest changes.

use std::io::{self, Write};

use super::{
    columns::FIGURES,
    comparison::Comparison,
    rows::{AlignedMapping, ChangeRow, Subject},
    statistics::Finding,
    words::{bytes_in_words, subject_in_words},
};
use crate::{
    terminal::{Grid, Style, heading, item, paragraph, section},
    words::{percent, shorten},
};

/// Changes below this share of all copies appear only in the other formats.
const TOLD_SHARE: f64 = 0.05;
const MOST_KINDS: usize = 4;
const MOST_WRITTEN: usize = 2;
const MOST_LINES: usize = 2;
const MOST_MAPPINGS: usize = 3;
/// Differences in the spread that exceed those between runs of one side by less than this are not
/// reported.
const TOLD_SPREAD: f64 = 0.1;
/// Rows next to the answer, so that the whole of it takes ten lines.
const MOST_LEADING: usize = 4;
const NOTHING_CHANGED: &str = "Nothing that makes up 5 % of the copies has changed.";
const WHAT_CHANGED: &str = "WHAT CHANGED (5 % of all or more)";

/// Writes a comparison as text.
pub fn comparison_as_text(
    comparison: &Comparison,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    heading(&comparison.summary(), style, out)?;
    paragraph(&comparison.confidence(), style, out)?;
    write_warnings(comparison, style, out)?;
    write_rows(comparison, style, out)
}

fn write_warnings(comparison: &Comparison, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if comparison.warnings.is_empty() {
        return Ok(());
    }
    heading("COMPARE WITH CARE, the runs differ in", style, out)?;
    for warning in &comparison.warnings {
        item(&warning.text, style, out)?;
    }
    Ok(())
}

fn write_rows(comparison: &Comparison, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let all = comparison.totals.main();
    if all.base.most == 0.0 && all.new.most == 0.0 {
        return Ok(());
    }
    let Told { leading, others } = told(comparison);
    if leading.is_empty() {
        return paragraph(NOTHING_CHANGED, style, out);
    }
    writeln!(out)?;
    write_changes(WHAT_CHANGED, &leading, style, out)?;
    let rows = leading.iter().chain(&others);
    let spreads: Vec<String> = rows
        .filter_map(|row| spread_in_words(&row.subject))
        .collect();
    if others.is_empty() && spreads.is_empty() {
        return Ok(());
    }
    section("IN DETAIL", style, out)?;
    if !others.is_empty() {
        write_changes("WHAT ELSE CHANGED", &others, style, out)?;
    }
    for spread in spreads {
        item(&spread, style, out)?;
    }
    Ok(())
}

/// A table of rows.
fn write_changes(
    title: &str,
    rows: &[&ChangeRow],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let header: Vec<&str> = FIGURES.iter().map(|it| it.title).chain([title]).collect();
    let mut table = Grid::new(&header, &[0, 1, 2, 3]).dispensable(&[2, 3]);
    for row in rows {
        let figures = FIGURES.map(|column| (column.figure)(row.changes.main()));
        table.add(figures, |room| {
            shorten(&subject_in_words(&row.subject), room)
        });
    }
    writeln!(out, "{}", table.lines(style))
}

/// The rows that are shown.
struct Told<'a> {
    /// The most telling ones, few enough to read with the answer.
    leading: Vec<&'a ChangeRow>,
    others: Vec<&'a ChangeRow>,
}

/// Which rows lead, as a view of the copies and a position in it: two kinds of write, since one may
/// have lost what the other gained, and the largest change of each other view.
const LEADING: [(usize, usize); 5] = [(0, 0), (0, 1), (2, 0), (3, 0), (1, 0)];

fn told(comparison: &Comparison) -> Told<'_> {
    let matters = |row: &&ChangeRow| {
        row.changes.main().finding != Finding::NoneSeen
            && distance_of_row(row) >= least_change(comparison)
    };
    let by_line = if comparison.lines.is_empty() {
        &comparison.functions
    } else {
        &comparison.lines
    };
    let ways: [Vec<&ChangeRow>; 4] = [
        first_rows(&comparison.kinds, MOST_KINDS, matters),
        first_rows(&comparison.written, MOST_WRITTEN, matters),
        first_rows(by_line, MOST_LINES, matters),
        changed_places(comparison, matters),
    ];
    let is_there = |(way, place): &(usize, usize)| ways[*way].len() > *place;
    let lead: Vec<_> = LEADING
        .into_iter()
        .filter(is_there)
        .take(MOST_LEADING)
        .collect();
    let all = ways.iter().enumerate().flat_map(|(way, rows)| {
        let rows = rows.iter().enumerate();
        rows.map(move |(place, row)| ((way, place), *row))
    });
    let (leading, others): (Vec<_>, Vec<_>) = all.partition(|(place, _)| lead.contains(place));
    let rows = |of: Vec<(_, _)>| {
        of.into_iter()
            .map(|(_, row)| row)
            .collect::<Vec<&ChangeRow>>()
    };
    let (mut leading, mut others) = (rows(leading), rows(others));
    let room = MOST_LEADING.saturating_sub(leading.len()).min(others.len());
    leading.extend(others.drain(..room));
    Told { leading, others }
}

/// Smaller changes are not reported, bytes.
fn least_change(comparison: &Comparison) -> f64 {
    let all = comparison.totals.main();
    TOLD_SHARE * all.base.median.max(all.new.median)
}

fn distance_of_row(row: &ChangeRow) -> f64 {
    row.changes.main().difference().abs()
}

/// By place in memory: mappings, memory without a position, and unmatched mappings.
fn changed_places(
    comparison: &Comparison,
    matters: impl Fn(&&ChangeRow) -> bool,
) -> Vec<&ChangeRow> {
    let is_large = |row: &&ChangeRow| {
        let change = row.changes.main();
        let (base, new) = (change.base.median, change.new.median);
        base.max(new) >= least_change(comparison) && bytes_in_words(base) != bytes_in_words(new)
    };
    let mut places = first_rows(&comparison.mappings, MOST_MAPPINGS, &matters);
    places.extend(first_rows(&comparison.others, 1, &matters));
    places.extend(comparison.unmatched.iter().filter(is_large));
    places.sort_by(|one, other| distance_of_row(other).total_cmp(&distance_of_row(one)));
    places
}

fn first_rows(
    rows: &[ChangeRow],
    most: usize,
    is_told: impl Fn(&&ChangeRow) -> bool,
) -> Vec<&ChangeRow> {
    rows.iter().filter(is_told).take(most).collect()
}

/// How the spread of a mapping's copies differs, if both sides have copies there.
fn spread_in_words(subject: &Subject) -> Option<String> {
    let Subject::Mapping(mapping) = subject else {
        return None;
    };
    let spread = mapping.spread.as_ref()?;
    let moved = spread.moved?;
    let mut parts = Vec::new();
    if let (Some(base), Some(new)) = (spread.touched_base, spread.touched_new)
        && (base - new).abs() >= TOLD_SPREAD
    {
        parts.push(format!(
            "copies in {} of its ranges instead of {}",
            percent(new),
            percent(base)
        ));
    }
    if moved - spread.moved_within.unwrap_or(0.0) >= TOLD_SPREAD {
        let within = spread
            .moved_within
            .map(|within| format!(" ({} between runs of one side)", percent(within)));
        parts.push(format!(
            "{} of the copies lie elsewhere than in BASE{}",
            percent(moved),
            within.unwrap_or_default()
        ));
    }
    (!parts.is_empty()).then(|| format!("{}: {}.", name(mapping), parts.join("; ")))
}

fn name(mapping: &AlignedMapping) -> String {
    let of_both = AlignedMapping {
        size_base: None,
        size_new: None,
        ..mapping.clone()
    };
    subject_in_words(&Subject::Mapping(of_both))
}
