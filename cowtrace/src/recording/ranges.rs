//! The table of the histogram's rows, which may have a million of them. A row's key in the file is
//! a number assigned once; here it is found by process, address and region.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, Result};

use super::{
    sync::{Edit, fingerprint_of_row},
    tables::Stored,
};
use crate::run::{Process, Row, Run, SnapshotScope};

/// A row in the file: 24 bytes.
#[derive(Clone, Copy, Debug)]
struct HeldRow {
    /// [`NO_START`] if it has none.
    start: u64,
    fingerprint: u64,
    /// 0 for none, otherwise the region's number plus one.
    region: u32,
    id: u32,
}

/// No range begins at this address.
const NO_START: u64 = u64::MAX;

impl HeldRow {
    fn of(row: &Row, id: u32) -> Self {
        Self {
            start: row.start.unwrap_or(NO_START),
            fingerprint: fingerprint_of_row(row),
            region: row.region_id.map_or(0, |region| region.wrapping_add(1)),
            id,
        }
    }

    const fn place(&self) -> (u64, u32) {
        (self.start, self.region)
    }
}

/// The table's rows, process by process.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    held: BTreeMap<u32, Vec<HeldRow>>,
    next_id: u32,
}

/// The table's changes in a transaction, applied once it is committed.
pub(super) struct Changed {
    held: BTreeMap<u32, Vec<HeldRow>>,
    next_id: u32,
}

impl Ranges {
    /// Updates the table to a snapshot.
    pub(super) fn sync(
        &self,
        db: &Connection,
        run: &Run,
        scope: &SnapshotScope,
    ) -> Result<Changed> {
        let mut edit = Edit::new(db, &Row::TABLE);
        let mut changed = Changed {
            held: BTreeMap::new(),
            next_id: self.next_id,
        };
        let alive: HashSet<u32> = run.memory.processes.iter().map(id_of).collect();
        let is_told = |process: &u32| {
            let rows_of = scope.rows_of.as_ref();
            rows_of.is_none_or(|rows_of| rows_of.contains(process)) || !alive.contains(process)
        };
        let mut rows: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
        for process in self.held.keys().filter(|process| is_told(process)) {
            rows.entry(*process).or_default();
        }
        for row in &run.memory.rows {
            rows.entry(row.process_id).or_default().push(row);
        }
        for (process, rows) in rows {
            let held = self.held.get(&process).map_or(&[][..], Vec::as_slice);
            let now = changed.process(&mut edit, held, &rows)?;
            changed.held.insert(process, now);
        }
        Ok(changed)
    }

    /// Applies a transaction's changes.
    pub(super) fn take(&mut self, changed: Changed) {
        self.next_id = changed.next_id;
        for (process, rows) in changed.held {
            if rows.is_empty() {
                self.held.remove(&process);
            } else {
                self.held.insert(process, rows);
            }
        }
    }
}

const fn id_of(process: &Process) -> u32 {
    process.id
}

impl Changed {
    /// Makes the table hold exactly `rows` for one process.
    fn process(
        &mut self,
        edit: &mut Edit<'_>,
        held: &[HeldRow],
        rows: &[&Row],
    ) -> Result<Vec<HeldRow>> {
        let mut rows: Vec<(HeldRow, &Row)> =
            rows.iter().map(|row| (HeldRow::of(row, 0), *row)).collect();
        rows.sort_by_key(|(new, _)| new.place());
        let mut before = held.iter().peekable();
        let mut now = Vec::with_capacity(rows.len());
        for (mut new, row) in rows {
            while let Some(gone) = before.next_if(|old| old.place() < new.place()) {
                edit.delete(u64::from(gone.id))?;
            }
            let old = before.next_if(|old| old.place() == new.place());
            new.id = old.map_or(self.next_id, |old| old.id);
            if old.is_none() {
                self.next_id = self.next_id.wrapping_add(1);
            }
            if old.is_none_or(|old| old.fingerprint != new.fingerprint) {
                edit.put(u64::from(new.id), row)?;
            }
            now.push(new);
        }
        for gone in before {
            edit.delete(u64::from(gone.id))?;
        }
        Ok(now)
    }
}
