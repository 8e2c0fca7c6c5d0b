//! The traced processes: a record of each, its mappings, and which mapping a copy was made in.

pub(super) mod attribution;
mod fold;
pub(super) mod layouts;
pub(super) mod names;
pub(super) mod record;
