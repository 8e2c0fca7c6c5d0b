//! Names of memory outside all inherited regions.

use super::lines::last_parts;
use crate::foreign::printable;

/// Name for copies without room in the histogram, whose place is unknown.
pub(crate) const OUTSIDE_HISTOGRAM: &str = "not in the histogram";

/// Names memory that a process mapped itself after its fork, by its mapping's name.
pub(crate) fn own_memory_name(mapping: Option<&str>) -> String {
    match mapping {
        Some(name) => format!("own memory: {}", printable(last_parts(name, 1))),
        None => "own memory: unknown mapping".into(),
    }
}
