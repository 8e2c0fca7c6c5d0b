//! Which variables hold the copied memory: whose memory it was, who still has it, and what a walk of
//! their objects finds.

mod at_end;
pub(super) mod contents;
pub(super) mod copies;
pub(super) mod early;
mod keepers;
mod later;
