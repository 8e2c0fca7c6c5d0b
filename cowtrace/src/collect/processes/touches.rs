//! First touches of a process by the kind of mapping that they lie in.

use crate::{
    probe::{RangeCount, Totals},
    run::{FirstTouches, Kind},
};

/// Pages touched for the first time, by kind; the last place is for those of no known kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::collect) struct TouchesByKind([u64; Kind::ALL.len() + 1]);

impl TouchesByKind {
    /// Gives each count to the kind of mapping that `kind_of` finds. Shared memory is nobody's new
    /// memory.
    pub(in crate::collect) fn of(
        counts: &[RangeCount],
        totals: &Totals,
        kind_of: impl Fn(&RangeCount) -> Option<Kind>,
    ) -> Self {
        let mut touches = Self::default();
        for count in counts.iter().filter(|count| count.touched > 0) {
            // Address 0 stands for an unknown one.
            let kind = Some(count).filter(|it| it.start > 0).and_then(&kind_of);
            if kind != Some(Kind::Shared) {
                touches.count(kind, count.touched);
            }
        }
        touches.count(None, totals.unranged_touched);
        touches
    }

    fn count(&mut self, kind: Option<Kind>, pages: u64) {
        let place = kind.and_then(|kind| Kind::ALL.iter().position(|it| *it == kind));
        self.0[place.unwrap_or(Kind::ALL.len())] += pages;
    }

    /// Adds another process's.
    pub(in crate::collect) fn add(&mut self, other: &Self) {
        for (sum, pages) in self.0.iter_mut().zip(other.0) {
            *sum += pages;
        }
    }

    /// As they stand in a run, kinds without any left out.
    pub(in crate::collect) fn in_run(&self, process_id: u32) -> impl Iterator<Item = FirstTouches> {
        let kinds = Kind::ALL.into_iter().map(Some).chain([None]);
        let touches = kinds.zip(self.0).filter(|(_, pages)| *pages > 0);
        touches.map(move |(kind, pages)| FirstTouches {
            process_id,
            kind,
            pages,
        })
    }
}

#[cfg(test)]
mod tests {
    use cowtrace_common::process::Source;

    use super::*;

    fn count(start: u64, touched: u64) -> RangeCount {
        RangeCount {
            start,
            bytes: 1 << 16,
            source: Source::Unknown,
            copied: 0,
            reused: 0,
            touched,
        }
    }

    #[test]
    fn touches_go_to_the_kind_of_their_mapping_and_shared_memory_is_left_out() {
        let kind_of = |count: &RangeCount| match count.start {
            0x1000 => Some(Kind::Heap),
            0x2000 => Some(Kind::Shared),
            _ => None,
        };
        let counts = [
            count(0x1000, 3),
            count(0x2000, 50),
            count(0x3000, 7),
            count(0, 11),
        ];
        let totals = Totals {
            unranged_touched: 100,
            ..Totals::default()
        };
        let mut touches = TouchesByKind::of(&counts, &totals, kind_of);
        touches.add(&TouchesByKind::of(
            &counts[..1],
            &Totals::default(),
            kind_of,
        ));
        let told: Vec<_> = touches
            .in_run(4)
            .map(|it| (it.process_id, it.kind, it.pages))
            .collect();
        assert_eq!(told, [(4, Some(Kind::Heap), 6), (4, None, 118)]);
    }
}
