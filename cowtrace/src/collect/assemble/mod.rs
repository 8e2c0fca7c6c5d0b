//! What a trace gives: snapshots while it runs, and the run at its end.

pub(super) mod snapshot;
pub(super) mod whole;
