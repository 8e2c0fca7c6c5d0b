//! The timeline in two tables: the samples, and for each process only the samples in which its
//! count changed.

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
            by_process: BTreeMap::new(),
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

/// The rows that the tables hold: a fingerprint of each sample, and the last sample's counts.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldTimeline {
    samples: Vec<u64>,
    last: BTreeMap<u32, u64>,
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
                Some(last) => samples[last].by_process.clone(),
                None if kept == 0 => BTreeMap::new(),
                None => self.last.clone(),
            },
        };
        let mut table = Edit::new(db, &Sample::TABLE);
        let mut changes = Edit::new(db, &SampleChange::TABLE);
        for sample in &samples[same..] {
            let id = now.samples.len();
            table.put(id as u64, sample)?;
            for (process, pages) in changed_counts(&now.last, &sample.by_process) {
                changes.put(key_of_columns(process as usize, id), &SampleChange(pages))?;
            }
            now.samples.push(fingerprint_of_sample(sample));
            now.last.clone_from(&sample.by_process);
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
        db.execute("DELETE FROM timeline_changes WHERE sample_id >= ?", [first])?;
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

/// Adds the processes' counts to samples, from changes in order of their keys.
pub(super) fn spread_changes(
    samples: &mut [Sample],
    changes: &[(u64, SampleChange)],
) -> Result<(), Damage> {
    let mut counts = 0;
    let mut changes = changes.iter().peekable();
    while let Some((key, SampleChange(pages))) = changes.next() {
        let (process, first) = key_columns(*key);
        let next = changes.peek().map(|(next, _)| key_columns(*next));
        let next = next.filter(|(next, _)| *next == process);
        let until = next.map_or(samples.len(), |(_, next)| next as usize);
        let first = first as usize;
        let Some(span) = samples.get_mut(first..until) else {
            return Err(Damage("timeline_changes: there is no such sample".into()));
        };
        if *pages == 0 {
            continue;
        }
        counts += span.len();
        if counts > MAX_COUNTS {
            return Err(Damage("timeline: too many counts".into()));
        }
        for sample in span {
            sample.by_process.insert(process, *pages);
        }
    }
    Ok(())
}
