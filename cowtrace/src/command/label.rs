//! `cowtrace label`: names something about a run that is known only afterwards.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

use crate::{
    cli::LabelArgs,
    foreign::{printable, printable_path},
    recording,
};

/// Labels a recording.
pub fn label(arguments: &LabelArgs) -> Result<()> {
    check_labels(&arguments.labels)?;
    let path = &arguments.recording;
    recording::label(path, &arguments.labels)
        .with_context(|| format!("cannot label {}", printable_path(path)))?;
    Ok(())
}

/// Refuses a key that is given twice: one of the values would be lost.
pub(super) fn check_labels(labels: &[(String, String)]) -> Result<()> {
    let mut keys = BTreeSet::new();
    match labels.iter().find(|(key, _)| !keys.insert(key)) {
        Some((key, _)) => bail!("the label {} is given twice", printable(key)),
        None => Ok(()),
    }
}
