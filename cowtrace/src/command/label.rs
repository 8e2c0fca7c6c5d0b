//! `cowtrace label`: names something about a run that is known only afterwards.

use anyhow::{Context as _, Result};

use crate::{cli::LabelArgs, recording};

/// Labels a recording.
pub fn label(arguments: &LabelArgs) -> Result<()> {
    let path = &arguments.recording;
    recording::label(path, &arguments.labels)
        .with_context(|| format!("cannot label {}", path.display()))?;
    Ok(())
}
