//! What a trace gives: snapshots while it goes on, and the run at its end.

pub(super) mod snapshot;
pub(super) mod whole;
