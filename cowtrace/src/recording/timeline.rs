//! The timeline in its tables: the samples, and for each process only the samples in which its counts
//! changed.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use rusqlite::{Connection, Result};

use super::{
    columns::{ColumnReader, Columns, Damage},
    sync::{Edit, key_columns, key_of_columns},
    tables::{Stored, TableDefinition},
};
use crate::run::{Sample, Timeline};

/// Most counts of processes in all samples together: each takes about 40 bytes of memory.
const MAX_COUNTS: usize = 1 << 25;

impl Stored for Sample {
    const TABLE: TableDefinition = TableDefinition {
        name: "timeline",
        key: &["id"],
        columns: &["at_ns", "copied_pages", "reused_faults"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.at_ns);
        columns.number(self.copied_pages);
        columns.number(self.reused_faults);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            at_ns: columns.count()?,
            copied_pages: columns.count()?,
            reused_faults: columns.count()?,
            ..Self::default()
        })
    }
}

/// From a sample on, a process has this count; the key is both.
pub(super) struct SampleChange(u64);

impl Stored for SampleChange {
    const TABLE: TableDefinition = TableDefinition {
        name: "timeline_changes",
        key: &["process_id", "sample_id"],
        columns: &["copied_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.0);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self(columns.count()?))
    }
}

/// First touches by the time of a sample, in a table of its own: older recordings do not have it.
pub(super) struct SampleTouches(pub(super) u64);

impl Stored for SampleTouches {
    const TABLE: TableDefinition = TableDefinition {
        name: "timeline_touches",
        key: &["sample_id"],
        columns: &["touched_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.0);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self(columns.count()?))
    }
}

/// From a sample on a process has this many anonymous pages; the key is both.
pub(super) struct HeldChange(u64);

impl Stored for HeldChange {
    const TABLE: TableDefinition = TableDefinition {
        name: "timeline_held",
        key: &["process_id", "sample_id"],
        columns: &["held_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.0);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self(columns.count()?))
    }
}

/// From a sample on a process has touched this many pages for the first time; the key is both.
pub(super) struct TouchChange(u64);

impl Stored for TouchChange {
    const TABLE: TableDefinition = TableDefinition {
        name: "timeline_touched",
        key: &["process_id", "sample_id"],
        columns: &["touched_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.0);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self(columns.count()?))
    }
}

/// The counts by process of a sample.
#[derive(Clone, Debug, Default)]
struct ProcessCounts {
    copied: BTreeMap<u32, u64>,
    held: BTreeMap<u32, u64>,
    touched: BTreeMap<u32, u64>,
}

impl ProcessCounts {
    fn of(sample: &Sample) -> Self {
        Self {
            copied: sample.by_process.clone(),
            held: sample.held_by_process.clone(),
            touched: sample.touched_by_process.clone(),
        }
    }
}

/// The rows that the tables hold: a fingerprint of each sample, and the last sample's counts.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldTimeline {
    samples: Vec<u64>,
    last: ProcessCounts,
}

impl HeldTimeline {
    /// Whether samples that follow this many earlier ones continue those in the tables.
    pub(super) const fn is_continued_after(&self, earlier: usize) -> bool {
        earlier == 0 || earlier == self.samples.len()
    }

    /// Updates the tables to a timeline whose `earlier` samples are left out, and returns the rows
    /// that they then hold. Unchanged samples are not written again.
    pub(super) fn sync(
        &self,
        db: &Connection,
        timeline: &Timeline,
        earlier: usize,
    ) -> Result<Self> {
        let samples = &timeline.samples;
        let before = &self.samples[earlier.min(self.samples.len())..];
        let same = before
            .iter()
            .zip(samples)
            .take_while(|(held, sample)| **held == fingerprint_of_sample(sample))
            .count();
        let kept = earlier + same;
        self.forget(db, kept)?;
        let mut now = Self {
            samples: self.samples[..kept].to_vec(),
            last: match same.checked_sub(1) {
                Some(last) => ProcessCounts::of(&samples[last]),
                None if kept == 0 => ProcessCounts::default(),
                None => self.last.clone(),
            },
        };
        let mut table = Edit::new(db, &Sample::TABLE);
        let mut touches = Edit::new(db, &SampleTouches::TABLE);
        let mut changes = Edit::new(db, &SampleChange::TABLE);
        let mut held = Edit::new(db, &HeldChange::TABLE);
        let mut by_toucher = Edit::new(db, &TouchChange::TABLE);
        for sample in &samples[same..] {
            let id = now.samples.len();
            table.put(id as u64, sample)?;
            touches.put(id as u64, &SampleTouches(sample.touched_pages))?;
            for (process, pages) in changed_counts(&now.last.copied, &sample.by_process) {
                changes.put(key_of_columns(process as usize, id), &SampleChange(pages))?;
            }
            for (process, pages) in changed_counts(&now.last.held, &sample.held_by_process) {
                held.put(key_of_columns(process as usize, id), &HeldChange(pages))?;
            }
            for (process, pages) in changed_counts(&now.last.touched, &sample.touched_by_process) {
                by_toucher.put(key_of_columns(process as usize, id), &TouchChange(pages))?;
            }
            now.samples.push(fingerprint_of_sample(sample));
            now.last = ProcessCounts::of(sample);
        }
        Ok(now)
    }

    /// Deletes all samples but the first ones.
    fn forget(&self, db: &Connection, kept: usize) -> Result<()> {
        if kept == self.samples.len() {
            return Ok(());
        }
        let first = i64::try_from(kept).unwrap_or(i64::MAX);
        db.execute("DELETE FROM timeline WHERE id >= ?", [first])?;
        for table in [
            SampleTouches::TABLE,
            SampleChange::TABLE,
            HeldChange::TABLE,
            TouchChange::TABLE,
        ] {
            let delete = format!("DELETE FROM {} WHERE sample_id >= ?", table.name);
            db.execute(&delete, [first])?;
        }
        Ok(())
    }
}

fn fingerprint_of_sample(sample: &Sample) -> u64 {
    let mut hasher = DefaultHasher::new();
    sample.hash(&mut hasher);
    hasher.finish()
}

/// Counts that differ between two samples; 0 for processes that the later one no longer has.
fn changed_counts<'a>(
    before: &'a BTreeMap<u32, u64>,
    after: &'a BTreeMap<u32, u64>,
) -> impl Iterator<Item = (u32, u64)> + 'a {
    let differs = |(process, pages): &(&u32, &u64)| before.get(process) != Some(*pages);
    let new = after
        .iter()
        .filter(differs)
        .map(|(id, pages)| (*id, *pages));
    let is_gone = |process: &&u32| !after.contains_key(process);
    new.chain(before.keys().filter(is_gone).map(|id| (*id, 0)))
}

/// Adds the processes' copies to samples, from changes in order of their keys.
pub(super) fn spread_copied(
    samples: &mut [Sample],
    changes: Vec<(u64, SampleChange)>,
) -> Result<(), Damage> {
    let changes = changes.into_iter().map(|(key, change)| (key, change.0));
    spread_changes(samples, SampleChange::TABLE.name, changes, |sample| {
        &mut sample.by_process
    })
}

/// Adds the pages that the processes had, likewise.
pub(super) fn spread_held(
    samples: &mut [Sample],
    changes: Vec<(u64, HeldChange)>,
) -> Result<(), Damage> {
    let changes = changes.into_iter().map(|(key, change)| (key, change.0));
    spread_changes(samples, HeldChange::TABLE.name, changes, |sample| {
        &mut sample.held_by_process
    })
}

/// Adds the pages that the processes had touched for the first time, likewise.
pub(super) fn spread_touched(
    samples: &mut [Sample],
    changes: Vec<(u64, TouchChange)>,
) -> Result<(), Damage> {
    let changes = changes.into_iter().map(|(key, change)| (key, change.0));
    spread_changes(samples, TouchChange::TABLE.name, changes, |sample| {
        &mut sample.touched_by_process
    })
}

fn spread_changes(
    samples: &mut [Sample],
    table: &str,
    changes: impl Iterator<Item = (u64, u64)>,
    counts_of: impl Fn(&mut Sample) -> &mut BTreeMap<u32, u64>,
) -> Result<(), Damage> {
    let mut counts = 0;
    let mut changes = changes.peekable();
    while let Some((key, pages)) = changes.next() {
        let (process, first) = key_columns(key);
        let next = changes.peek().map(|(next, _)| key_columns(*next));
        let next = next.filter(|(next, _)| *next == process);
        let until = next.map_or(samples.len(), |(_, next)| next as usize);
        let first = first as usize;
        let Some(span) = samples.get_mut(first..until) else {
            return Err(Damage(format!("{table}: there is no such sample")));
        };
        if pages == 0 {
            continue;
        }
        counts += span.len();
        if counts > MAX_COUNTS {
            return Err(Damage("timeline: too many counts".into()));
        }
        for sample in span {
            counts_of(sample).insert(process, pages);
        }
    }
    Ok(())
}
