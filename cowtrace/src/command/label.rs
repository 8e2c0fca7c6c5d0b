//! `cowtrace label`: names something about a run that is known only afterwards.

use anyhow::{Context as _, Result};

use crate::{cli::LabelArgs, foreign::printable_path, recording};

/// Labels a recording.
pub fn run_label(arguments: &LabelArgs) -> Result<()> {
    let path = &arguments.recording;
    recording::label_recording(path, &arguments.labels)
        .with_context(|| format!("cannot label {}", printable_path(path)))?;
    Ok(())
}
