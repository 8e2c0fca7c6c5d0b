//! The report for people: the answer first, then where, who, and what was lost. Each file writes
//! one section.

mod holders;
mod lost;
mod native_stacks;
mod processes;
mod regions;
mod strips;
mod summary;
mod view;
mod writers;

use std::io::{self, Write};

use crate::{run::Run, terminal::Style};

/// Writes a run as text.
pub fn run_as_text(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    summary::summary(run, style, out)?;
    if run.copied().total() > 0 {
        regions::write_regions(run, style, out)?;
        strips::write_strips(run, style, out)?;
        writers::write_writers(run, style, out)?;
        holders::write_holders(run, style, out)?;
        processes::write_processes(run, style, out)?;
    }
    lost::write_lost(run, style, out)
}
