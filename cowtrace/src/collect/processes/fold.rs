//! Records of exited processes beyond a bound, joined into one.

use std::collections::HashMap;

use super::{record::Record, records::Records};
use crate::run::{Role, Row};

impl Records {
    /// Joins the oldest exited workers into one record while there are more than `most`. Returns
    /// the number of records that are gone.
    pub(in crate::collect) fn fold(&mut self, most: usize) -> u64 {
        let excess = self.all.len().saturating_sub(most);
        if excess == 0 {
            return 0;
        }
        // A quarter at once, so that this happens rarely.
        let wanted = excess + most / 4;
        let mut folded = 0;
        let mut sum: Option<JoinedRecord> = None;
        let mut kept = Vec::with_capacity(self.all.len());
        for mut record in std::mem::take(&mut self.all) {
            if record.slot.is_some()
                || record.is_launcher
                || record.role == Role::Master
                || folded >= wanted
            {
                kept.push(record);
                continue;
            }
            folded += 1;
            match &mut sum {
                None => {
                    record.comm = "(earlier processes)".into();
                    record.pid = 0;
                    record.exit = None;
                    sum = Some(JoinedRecord::from(record));
                }
                Some(sum) => sum.absorb(&record),
            }
        }
        let sum = sum.map(Record::from);
        self.joined = sum.as_ref().map(|sum| sum.id).or(self.joined);
        kept.extend(sum);
        kept.sort_by_key(|record| record.id);
        self.all = kept;
        (folded as u64).saturating_sub(1)
    }
}

/// A record that takes others in.
struct JoinedRecord {
    record: Record,
    rows: Vec<Row>,
    /// Places of the rows that have no range, by region.
    by_region: HashMap<Option<u32>, usize>,
}

impl From<Record> for JoinedRecord {
    fn from(mut record: Record) -> Self {
        let rows = record.rows.take().unwrap_or_default();
        let without_range = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.start.is_none());
        Self {
            by_region: without_range.map(|(at, row)| (row.region_id, at)).collect(),
            rows,
            record,
        }
    }
}

impl From<JoinedRecord> for Record {
    fn from(joined: JoinedRecord) -> Self {
        Self {
            rows: Some(joined.rows),
            ..joined.record
        }
    }
}

impl JoinedRecord {
    fn absorb(&mut self, other: &Record) {
        let sum = &mut self.record;
        for (sum, pages) in sum.totals.copied.iter_mut().zip(other.totals.copied) {
            *sum += pages;
        }
        sum.totals.reused += other.totals.reused;
        sum.totals.unranged_copied += other.totals.unranged_copied;
        sum.totals.unranged_reused += other.totals.unranged_reused;
        sum.totals.touched += other.totals.touched;
        sum.totals.unranged_touched += other.totals.unranged_touched;
        sum.touches.add(&other.touches);
        sum.exited_ns = sum.exited_ns.max(other.exited_ns);
        sum.is_uncounted |= other.is_uncounted;
        sum.inherited_pages = match (sum.inherited_pages, other.inherited_pages) {
            (None, None) => None,
            (one, two) => Some(one.unwrap_or(0) + two.unwrap_or(0)),
        };
        for row in other.rows.iter().flatten() {
            self.add(row);
        }
    }

    /// One row a region, found by its number: a run may have tens of thousands, and as many processes.
    fn add(&mut self, row: &Row) {
        let at = *self
            .by_region
            .entry(row.region_id)
            .or_insert(self.rows.len());
        match self.rows.get_mut(at) {
            Some(sum) => {
                sum.copied.add(&row.copied);
                sum.reused_faults += row.reused_faults;
            }
            None => self.rows.push(Row {
                process_id: self.record.id,
                region_id: row.region_id,
                start: None,
                mapping: None,
                copied: row.copied,
                reused_faults: row.reused_faults,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Sources;
    use nix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    /// Processor time of this thread, which other work on the machine does not add to.
    fn own_time() -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
            .unwrap()
            .into()
    }

    #[test]
    fn folding_keeps_totals_masters_and_the_living() {
        let mut records = Records::default();
        for pid in 0..100 {
            let role = if pid == 0 { Role::Master } else { Role::Worker };
            let id = records.add(Record::new(pid, pid + 2, 1, "w".into(), role));
            let record = records.get_mut(id).unwrap();
            record.totals.copied[0] = u64::from(pid);
            if pid % 10 != 0 {
                record.exited_ns = Some(5);
                records.release(pid + 2);
            }
        }
        let before: u64 = records
            .iter()
            .map(|record| record.totals.copied_pages())
            .sum();
        let folded = records.fold(40);
        assert!(folded > 0 && records.iter().count() <= 40);
        assert_eq!(
            records
                .iter()
                .map(|record| record.totals.copied_pages())
                .sum::<u64>(),
            before
        );
        assert_eq!(
            records
                .iter()
                .filter(|record| record.slot.is_some())
                .count(),
            10
        );
        assert!(
            records
                .get_mut(0)
                .is_some_and(|record| record.role == Role::Master)
        );
    }

    /// Each process wrote into regions of its own and into one that all wrote into.
    #[test]
    fn regions_are_joined_each_into_one_row_in_time_that_grows_with_their_number() {
        const PROCESSES: u32 = 2_000;
        const OWN: u32 = 50;
        let mut records = Records::default();
        for pid in 0..PROCESSES {
            let id = records.add(Record::new(pid, pid + 2, 1, "w".into(), Role::Worker));
            let own = (1..=OWN).map(|region| Some(pid * OWN + region));
            let regions = own.chain([Some(0), None, None]);
            let rows = regions.enumerate().map(|(at, region_id)| Row {
                process_id: id,
                region_id,
                start: Some(at as u64 * 0x1000),
                mapping: region_id.is_none().then(|| "[anon]".into()),
                copied: Sources {
                    anon: 2,
                    ..Sources::default()
                },
                reused_faults: 1,
            });
            let rows = rows.collect();
            let record = records.get_mut(id).unwrap();
            record.rows = Some(rows);
            record.exited_ns = Some(5);
            records.release(pid + 2);
        }
        let begun = own_time();
        // Twice: the record that stands for others takes in more.
        records.fold(1_600);
        records.fold(400);
        // 0.1 s here; looking at each row for each took 26 s in an optimized build.
        let took = own_time().saturating_sub(begun);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let left: Vec<&Record> = records.iter().collect();
        let joined = left.iter().find(|record| record.pid == 0).unwrap();
        let rows = joined.rows.as_ref().unwrap();
        let of = |region: Option<u32>| {
            let mut rows = rows.iter().filter(|row| row.region_id == region);
            let pages = rows.clone().map(|row| row.copied.total()).sum::<u64>();
            (
                rows.by_ref().filter(|row| row.start.is_none()).count(),
                pages,
            )
        };
        let gone = u64::from(PROCESSES) - (left.len() as u64 - 1);
        assert_eq!(of(Some(0)), (1, 2 * gone));
        assert_eq!(of(None), (1, 4 * gone));
        assert_eq!(of(Some(OWN + 1)), (1, 2));
        let all = left.iter().flat_map(|record| record.rows.as_ref().unwrap());
        let (mut pages, mut faults) = (0, 0);
        for row in all {
            pages += row.copied.total();
            faults += row.reused_faults;
        }
        let expected = u64::from(PROCESSES * (OWN + 3));
        assert_eq!((pages, faults), (2 * expected, expected));
    }
}
