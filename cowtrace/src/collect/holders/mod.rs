//! Which variables hold the copied memory: who passed it on, who still has it, and what a walk of its
//! objects finds.

mod at_end;
mod copies;
mod early;
mod keepers;
mod later;
pub(super) mod lookup;
mod samples;
mod together;
pub(super) mod view;
mod walk;
