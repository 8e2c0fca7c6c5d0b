//! Copies in memory that processes mapped themselves, outside every inherited region.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    run::{Row, Run},
    words::{OUTSIDE_HISTOGRAM, own_memory_name},
};

/// Pages copied in the processes' own memory, by its name, most first.
pub(crate) fn pages_in_own_memory(run: &Run) -> Vec<(String, u64)> {
    let mut own: BTreeMap<String, u64> = BTreeMap::new();
    for row in run.memory.rows.iter().filter(|row| row.region_id.is_none()) {
        *own.entry(own_name(row)).or_default() += row.copied.total();
    }
    let mut own: Vec<_> = own.into_iter().filter(|(_, pages)| *pages > 0).collect();
    own.sort_by_key(|(name, pages)| (Reverse(*pages), name.clone()));
    own
}

fn own_name(row: &Row) -> String {
    match (row.mapping.as_deref(), row.start) {
        (None, None) => OUTSIDE_HISTOGRAM.into(),
        (mapping, _) => own_memory_name(mapping),
    }
}
