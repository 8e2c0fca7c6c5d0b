//! Names of memory that is in no region of a process that others inherited from.

use super::lines::last_parts;
use crate::foreign::printable;

/// Names copies that found no room in the histogram, so that it is not known where they are.
pub(crate) const OUTSIDE_HISTOGRAM: &str = "not in the histogram";

/// Names memory that a process mapped itself after its fork, by the name of its mapping.
pub(crate) fn own_memory_name(mapping: Option<&str>) -> String {
    match mapping {
        Some(name) => format!("own memory: {}", printable(last_parts(name, 1))),
        None => "own memory: unknown mapping".into(),
    }
}
