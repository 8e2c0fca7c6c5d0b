//! What was given to trace, and what became of it.

use std::io::{self, Write};

use super::extent::Extent;
use crate::{
    run::Run,
    terminal::{Style, item, section, wrap},
    verdict::{TargetSummary, summaries_of_targets},
    words::{plural, printable, size},
};

/// Further targets are only counted.
const MOST_TARGETS: usize = 16;

/// Writes the section: of one target only in the full report, since all of that is about it.
pub(super) fn write_targets(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let number = run.head.traced_targets.len();
    if number == 0 || (number == 1 && !extent.is_full()) {
        return Ok(());
    }
    section("TARGETS", style, out)?;
    for summary in summaries_of_targets(run, MOST_TARGETS) {
        item(&in_words(&summary), style, out)?;
        if let Some(verdict) = summary.verdict.filter(|_| number > 1) {
            for line in wrap(&verdict, style.width - 4) {
                writeln!(out, "    {line}")?;
            }
        }
    }
    if number > MOST_TARGETS {
        let others = plural((number - MOST_TARGETS) as u64, "other");
        item(&format!("({others})"), style, out)?;
    }
    Ok(())
}

/// `shop (unit shop.service): 1 master, 12 workers, 49 MiB copied`.
fn in_words(summary: &TargetSummary<'_>) -> String {
    let target = summary.target;
    let name = format!("{} ({})", printable(&target.name), printable(&target.what));
    if summary.masters == 0 {
        return format!("{name}: it had no process");
    }
    format!(
        "{name}: {}, {}, {} copied",
        plural(summary.masters as u64, "master"),
        plural(summary.workers as u64, "worker"),
        size(summary.copied_bytes),
    )
}
