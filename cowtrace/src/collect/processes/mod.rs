//! The traced processes: a record of each, its mappings, and which mapping a copy was made in.

pub(super) mod attribution;
mod fold;
mod gone;
mod held;
pub(super) mod inheritance;
mod layouts;
mod lost;
pub(super) mod mappings;
pub(super) mod names;
pub(super) mod reading;
pub(super) mod record;
pub(super) mod records;
pub(super) mod rows;
mod steps;
pub(super) mod touches;
pub(super) mod tree;
