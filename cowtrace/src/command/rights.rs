//! What rights a trace keeps once its kernel side is attached.

use anyhow::{Context as _, Result};

use super::session::TraceTarget;
use crate::{
    itself::privileges::{FurtherWork, keep_capabilities_for, takes_bpf},
    probe::may_use_tables,
};

/// Gives up what the rest of the trace does not need. Call it when every thread that was started
/// before has ended, or has given up its own.
pub(super) fn keep_needed_rights(target: &TraceTarget<'_>) -> Result<()> {
    let keep = || {
        keep_capabilities_for(FurtherWork {
            calls_take_bpf: takes_bpf(may_use_tables)?,
            ends_command: !matches!(target, TraceTarget::Running(_)),
        })
    };
    let kept = keep().context("cannot give up the capabilities that the trace no longer needs")?;
    log::info!("keeps of its capabilities: {kept}");
    Ok(())
}
