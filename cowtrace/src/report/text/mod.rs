//! The report for people: the answer first, then where, who, and what was lost. A file writes a
//! section.

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
pub fn text(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    summary::summary(run, style, out)?;
    if run.copied().total() > 0 {
        regions::regions(run, style, out)?;
        strips::strips(run, style, out)?;
        writers::writers(run, style, out)?;
        holders::holders(run, style, out)?;
        processes::processes(run, style, out)?;
    }
    lost::lost(run, style, out)
}
