//! What was lost.

use std::io::{self, Write};

use crate::{
    run::Run,
    terminal::{Style, indented, section},
    verdict::losses,
};

/// Writes the section; nothing if nothing was lost.
pub(super) fn write_lost(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let losses = losses(run);
    if !losses.is_empty() {
        section("LOST", style, out)?;
    }
    losses
        .iter()
        .try_for_each(|text| indented(text, style, out))
}
