//! Records of exited processes beyond a bound, joined into one.

use super::record::{Record, Records};
use crate::run::Role;

impl Records {
    /// Joins the oldest exited workers into one record while there are more than `most`. Returns
    /// how many records were given up.
    pub(super) fn fold(&mut self, most: usize) -> u64 {
        let excess = self.all.len().saturating_sub(most);
        if excess == 0 {
            return 0;
        }
        // A quarter at once, so that this happens rarely.
        let wanted = excess + most / 4;
        let mut folded = 0;
        let mut sum: Option<Record> = None;
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
                    sum = Some(record);
                }
                Some(sum) => sum.absorb(record),
            }
        }
        self.joined = sum.as_ref().map(|sum| sum.id).or(self.joined);
        kept.extend(sum);
        kept.sort_by_key(|record| record.id);
        self.all = kept;
        (folded as u64).saturating_sub(1)
    }
}

impl Record {
    fn absorb(&mut self, other: Self) {
        for (sum, pages) in self.totals.copied.iter_mut().zip(other.totals.copied) {
            *sum += pages;
        }
        self.totals.reused += other.totals.reused;
        self.totals.unranged_copied += other.totals.unranged_copied;
        self.totals.unranged_reused += other.totals.unranged_reused;
        self.exited_ns = self.exited_ns.max(other.exited_ns);
        self.inherited_pages = match (self.inherited_pages, other.inherited_pages) {
            (None, None) => None,
            (one, two) => Some(one.unwrap_or(0) + two.unwrap_or(0)),
        };
        let rows = self.rows.get_or_insert_default();
        for mut row in other.rows.unwrap_or_default() {
            row.process_id = self.id;
            row.start = None;
            row.mapping = None;
            match rows
                .iter_mut()
                .find(|sum| sum.region_id == row.region_id && sum.start.is_none())
            {
                Some(sum) => {
                    sum.copied.add(&row.copied);
                    sum.reused_faults += row.reused_faults;
                }
                None => rows.push(row),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
