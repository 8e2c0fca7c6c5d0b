//! What was lost.

use std::io::{self, Write};

use super::extent::Extent;
use crate::{
    run::Run,
    terminal::{Style, indented, section},
    verdict::losses,
    words::plural,
};

/// Causes in the short report.
const MOST_CAUSES: usize = 2;

/// Writes the section; nothing if nothing was lost.
pub(super) fn write_lost(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut losses = losses(run);
    if !losses.is_empty() {
        section("LOST", style, out)?;
    }
    let most = extent.most_rows(losses.len(), MOST_CAUSES);
    let others = losses.len().saturating_sub(most);
    losses.truncate(most);
    if others > 0 {
        losses.push(format!("({})", plural(others as u64, "other")));
    }
    losses
        .iter()
        .try_for_each(|text| indented(text, style, out))
}
