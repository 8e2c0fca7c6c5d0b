//! What moving variables out of the heap would save, in separate tables: older recordings do not have them.

use rusqlite::{Connection, Result};

use super::{
    columns::{ColumnReader, Columns, Damage},
    sync::{HeldRows, distribute_parts, key_of_columns, sync_table},
    tables::{Stored, TableDefinition},
};
use crate::run::{FreezeSaving, HeapWalk, Holder, PageNeighbour, ReadingReach, Saving, WhoHolds};

/// The rows that these tables hold.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldSavings {
    savings: HeldRows,
    neighbours: HeldRows,
    freezes: HeldRows,
    readings: HeldRows,
}

impl HeldSavings {
    pub(super) fn sync(&self, db: &Connection, found: &WhoHolds) -> Result<Self> {
        let savings = || {
            let holders = found.holders.iter().enumerate();
            holders.filter_map(|(owner, holder)| Some((owner, holder.saving.as_ref()?)))
        };
        let rows = savings().map(|(owner, saving)| (owner as u64, saving));
        let neighbours = savings().flat_map(|(owner, saving)| {
            let neighbours = saving.shares_with.iter().enumerate();
            neighbours.map(move |(position, it)| (key_of_columns(owner, position), it))
        });
        let walks = (0..).zip(&found.heap_walks);
        let freezes = walks.filter_map(|(walk, it)| Some((walk, it.freeze?)));
        let walks = (0..).zip(&found.heap_walks);
        let readings = walks.filter_map(|(walk, it)| Some((walk, it.reading?)));
        Ok(Self {
            readings: sync_table::<ReadingReach, _>(db, &self.readings, readings)?,
            freezes: sync_table::<FreezeSaving, _>(db, &self.freezes, freezes)?,
            savings: sync_table::<Saving, _>(db, &self.savings, rows)?,
            neighbours: sync_table::<PageNeighbour, _>(db, &self.neighbours, neighbours)?,
        })
    }
}

impl Stored for Saving {
    const TABLE: TableDefinition = TableDefinition {
        name: "holder_savings",
        key: &["holder_id"],
        columns: &[
            "pages_with",
            "pages_alone",
            "saved_pages",
            "saved_together_pages",
            "is_sampled",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        for count in [
            self.pages_with,
            self.pages_alone,
            self.saved_pages,
            self.saved_together_pages,
            u64::from(self.is_sampled),
        ] {
            columns.number(count);
        }
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            pages_with: columns.count()?,
            pages_alone: columns.count()?,
            saved_pages: columns.count()?,
            saved_together_pages: columns.count()?,
            is_sampled: columns.flag()?,
            shares_with: Vec::new(),
        })
    }
}

impl Stored for PageNeighbour {
    const TABLE: TableDefinition = TableDefinition {
        name: "holder_neighbours",
        key: &["holder_id", "position"],
        columns: &["path", "pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.path);
        columns.number(self.pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            path: columns.text()?,
            pages: columns.count()?,
        })
    }
}

impl Stored for FreezeSaving {
    const TABLE: TableDefinition = TableDefinition {
        name: "freeze_savings",
        key: &["walk_id"],
        columns: &["header_pages", "saved_pages", "is_bound"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.header_pages);
        columns.number(self.saved_pages);
        columns.number(u64::from(self.is_bound));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            header_pages: columns.count()?,
            saved_pages: columns.count()?,
            is_bound: columns.flag()?,
        })
    }
}

impl Stored for ReadingReach {
    const TABLE: TableDefinition = TableDefinition {
        name: "reading_reach",
        key: &["walk_id"],
        columns: &["pages", "with_counts"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.pages);
        columns.number(self.with_counts);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            pages: columns.count()?,
            with_counts: columns.count()?,
        })
    }
}

/// Adds how far reading reaches to the walks by which it was found.
pub(super) fn distribute_reading(
    found: Vec<(u64, ReadingReach)>,
    walks: &mut [HeapWalk],
) -> std::result::Result<(), Damage> {
    for (walk, reading) in found {
        let walk = usize::try_from(walk).ok();
        let walk = walk.and_then(|walk| walks.get_mut(walk));
        let none = || Damage("reading_reach: one of no walk".into());
        if reading.with_counts > reading.pages {
            return Err(Damage("reading_reach: more than all pages".into()));
        }
        walk.ok_or_else(none)?.reading = Some(reading);
    }
    Ok(())
}

/// Adds what the collector would save to the walks by which it was found.
pub(super) fn distribute_freezes(
    freezes: Vec<(u64, FreezeSaving)>,
    walks: &mut [HeapWalk],
) -> std::result::Result<(), Damage> {
    for (walk, freeze) in freezes {
        let walk = usize::try_from(walk).ok();
        let walk = walk.and_then(|walk| walks.get_mut(walk));
        let none = || Damage("freeze_savings: one of no walk".into());
        walk.ok_or_else(none)?.freeze = Some(freeze);
    }
    Ok(())
}

/// Adds the savings that were read to their holders.
pub(super) fn distribute_savings(
    savings: Vec<(u64, Saving)>,
    neighbours: Vec<(u64, PageNeighbour)>,
    holders: &mut [Holder],
) -> std::result::Result<(), Damage> {
    for (owner, saving) in savings {
        let owner = usize::try_from(owner).ok();
        let holder = owner.and_then(|owner| holders.get_mut(owner));
        let none = || Damage("holder_savings: one of no holder".into());
        holder.ok_or_else(none)?.saving = Some(saving);
    }
    // Neighbours of a holder without savings would be lost.
    let mut found: Vec<Vec<PageNeighbour>> = vec![Vec::new(); holders.len()];
    distribute_parts(&mut found, neighbours, |neighbours| neighbours)?;
    for (holder, found) in holders.iter_mut().zip(found) {
        match &mut holder.saving {
            Some(saving) => saving.shares_with = found,
            None if found.is_empty() => {}
            None => return Err(Damage("holder_neighbours: one of no saving".into())),
        }
    }
    Ok(())
}
