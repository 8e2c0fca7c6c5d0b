//! Records of exited processes beyond a bound, joined into one for each target.

use std::collections::{BTreeMap, HashMap, btree_map::Entry};

use super::{record::Record, records::Records};
use crate::run::{Role, Row};

/// Masters that keep a record of their own: of a service with many, as a cgroup that processes are put into, those
/// that came first.
const MOST_MASTERS: usize = 1024;

impl Records {
    /// Joins the oldest exited processes of each target into one record while there are more than `most`. Returns
    /// the number of records that are gone.
    pub(in crate::collect) fn fold(&mut self, most: usize) -> u64 {
        let excess = self.all.len().saturating_sub(most);
        if excess == 0 {
            return 0;
        }
        // A quarter at once, so that this happens rarely.
        let wanted = excess + most / 4;
        let (mut folded, mut masters) = (0, 0);
        let mut sums: BTreeMap<Option<u32>, JoinedRecord> = BTreeMap::new();
        let mut kept = Vec::with_capacity(self.all.len());
        for record in std::mem::take(&mut self.all) {
            masters += usize::from(record.role == Role::Master);
            let is_kept = record.role == Role::Master && masters <= MOST_MASTERS;
            if record.slot.is_some() || record.is_launcher || is_kept || folded >= wanted {
                kept.push(record);
                continue;
            }
            folded += 1;
            self.masters.remove(&record.id);
            self.gone.note(record.id, record.target);
            match sums.entry(record.target) {
                Entry::Vacant(first) => {
                    first.insert(JoinedRecord::of_earlier(record));
                }
                Entry::Occupied(mut sum) => sum.get_mut().absorb(&record),
            }
        }
        let joined = sums.len();
        for (target, sum) in sums {
            let sum = Record::from(sum);
            self.joined.insert(target, sum.id);
            kept.push(sum);
        }
        kept.sort_by_key(|record| record.id);
        self.all = kept;
        folded.saturating_sub(joined) as u64
    }
}

/// A record that takes others in.
struct JoinedRecord {
    record: Record,
    rows: Vec<Row>,
    /// Places of the rows that have no range, by region.
    by_region: HashMap<Option<u32>, usize>,
}

impl JoinedRecord {
    /// The first record that stands for others of its target.
    fn of_earlier(mut record: Record) -> Self {
        record.comm = "(earlier processes)".into();
        record.pid = 0;
        record.exit = None;
        record.role = Role::Worker;
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

    #[test]
    fn each_target_keeps_its_sum_and_many_masters_are_joined_too() {
        let mut records = Records::default();
        let most_pid = 3 * u32::try_from(MOST_MASTERS).unwrap();
        let mut expected = [0, 0];
        for pid in 1..=most_pid {
            let id = records.add(Record {
                target: Some(pid % 2),
                ..Record::new(pid, pid + 2, 1, "w".into(), Role::Master)
            });
            let record = records.get_mut(id).unwrap();
            record.totals.copied[0] = u64::from(pid);
            record.exited_ns = Some(5);
            expected[pid as usize % 2] += u64::from(pid);
            records.release(pid + 2);
        }
        // Twice: a sum is taken into the next one.
        records.fold(2_500);
        records.fold(1_500);
        let mut sums = [0, 0];
        for record in records.iter() {
            sums[record.target.unwrap() as usize] += record.totals.copied_pages();
        }
        assert_eq!(sums, expected);
        let left: Vec<&Record> = records.iter().filter(|it| it.pid > 0).collect();
        assert!(left.len() <= 1_500, "{}", left.len());
        let masters = left.iter().filter(|it| it.pid as usize <= MOST_MASTERS);
        assert_eq!(masters.count(), MOST_MASTERS);
        // Whoever is gone counts for the sum of its target.
        let gone = u32::try_from(MOST_MASTERS).unwrap() + 2;
        for id in [gone, gone + 1] {
            let joined = records.get(records.id_in_run(id)).unwrap();
            assert_eq!((joined.pid, joined.target), (0, Some((id + 1) % 2)));
        }
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
