//! A comparison for people: the answer, what to beware of, and what changed most.

use std::io::{self, Write};

use super::{
    Comparison,
    rows::{Mapping, Row, Subject},
    statistics::Finding,
    words::{bytes, percent, relative, signed, subject},
};
use crate::report::{Style, bold, shorten, table, trimmed, wrap};

/// Changes below this share of all copies are left to the other formats.
const TOLD_SHARE: f64 = 0.05;
const MOST_KINDS: usize = 4;
const MOST_WRITTEN: usize = 2;
const MOST_LINES: usize = 2;
const MOST_MAPPINGS: usize = 3;
/// Differences in the spread below this, beyond those between runs of the same side, are not told.
const TOLD_SPREAD: f64 = 0.1;
/// Columns that the figures take.
const FIGURES: usize = 43;

/// Writes a comparison as text.
pub fn text(comparison: &Comparison, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for line in wrap(&comparison.summary(), style.width) {
        writeln!(out, "{}", bold(&line, style))?;
    }
    for line in wrap(&comparison.confidence(), style.width) {
        writeln!(out, "{line}")?;
    }
    warnings(comparison, style, out)?;
    rows(comparison, style, out)
}

fn warnings(comparison: &Comparison, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if comparison.warnings.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{}",
        bold("COMPARE WITH CARE, the runs differ in", style)
    )?;
    for warning in &comparison.warnings {
        for (index, line) in wrap(&warning.text, style.width - 4).iter().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            writeln!(out, "{indent}{line}")?;
        }
    }
    Ok(())
}

fn rows(comparison: &Comparison, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told = told(comparison);
    let all = &comparison.totals;
    if all.main().base.most == 0.0 && all.main().new.most == 0.0 {
        return Ok(());
    }
    if told.is_empty() {
        return writeln!(out, "Nothing that makes up 5 % of the copies has changed.");
    }
    writeln!(
        out,
        "\n{}",
        bold("WHAT CHANGED (by 5 % of all copies or more)", style)
    )?;
    let header = ["BASE", "NEW", "change", "", "copied"];
    let mut table = table(style, &header, &[0, 1, 2, 3]);
    let mut add = |changes: &super::Changes, name: &str| {
        let change = changes.main();
        table.add_row([
            bytes(change.base.median),
            bytes(change.new.median),
            signed(change.difference()),
            relative(change),
            shorten(name, style.width.saturating_sub(FIGURES)),
        ]);
    };
    add(all, "all");
    for row in &told {
        add(&row.changes, &subject(&row.subject));
    }
    writeln!(out, "{}", trimmed(&table))?;
    for line in told.iter().filter_map(|row| spread(&row.subject)) {
        for (index, line) in wrap(&line, style.width - 4).iter().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            writeln!(out, "{indent}{line}")?;
        }
    }
    Ok(())
}

/// The rows worth a look.
fn told(comparison: &Comparison) -> Vec<&Row> {
    let all = comparison.totals.main();
    let least = TOLD_SHARE * all.base.median.max(all.new.median);
    let matters = |row: &&Row| {
        let change = row.changes.main();
        change.finding != Finding::NoneSeen && change.difference().abs() >= least
    };
    let by_line = if comparison.lines.is_empty() {
        &comparison.functions
    } else {
        &comparison.lines
    };
    [
        (&comparison.kinds, MOST_KINDS),
        (&comparison.written, MOST_WRITTEN),
        (by_line, MOST_LINES),
        (&comparison.mappings, MOST_MAPPINGS),
        (&comparison.others, 1),
    ]
    .into_iter()
    .flat_map(|(rows, most)| rows.iter().filter(matters).take(most))
    .chain(comparison.unmatched.iter().filter(|row| {
        let change = row.changes.main();
        change.base.median.max(change.new.median) >= least
    }))
    .collect()
}

/// How the copies of a mapping are spread, if both sides have some and that differs.
fn spread(subject: &Subject) -> Option<String> {
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

fn name(mapping: &Mapping) -> String {
    let of_both = Mapping {
        size_base: None,
        size_new: None,
        ..mapping.clone()
    };
    super::words::subject(&Subject::Mapping(of_both))
}
