//! Why pages were copied: kinds of write, with writes of new objects apart from those of inherited ones.

use super::{
    free_memory::FreePages,
    writers::{KnownPages, pages},
};
use crate::run::{Run, Store, WriteKind, Writer};

/// What made copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CauseIs {
    /// Writes of a kind, unless they are one of those below.
    Write(WriteKind),
    /// A garbage collector other than CPython's, as far as it is known by what it wrote.
    Collects,
    /// What Ruby notes in objects that are read.
    Reads,
    /// New objects, in memory that was free in the master.
    NewObjects,
}

impl CauseIs {
    const ALL: [Self; 7] = [
        Self::Write(WriteKind::Refcount),
        Self::Write(WriteKind::Gc),
        Self::Write(WriteKind::Other),
        Self::Write(WriteKind::Kernel),
        Self::Collects,
        Self::Reads,
        Self::NewObjects,
    ];
}

/// What made a writer's copies, by its own account.
pub(super) const fn cause_of(writer: &Writer) -> CauseIs {
    match writer.store {
        Some(Store::Age | Store::Swept | Store::Marks) => CauseIs::Collects,
        Some(Store::Coderange | Store::Iteration | Store::Identity) => CauseIs::Reads,
        Some(Store::Object) => CauseIs::NewObjects,
        _ => CauseIs::Write(writer.kind),
    }
}

/// Each cause with its share of the copies whose writer is known; empty if none is known.
pub(super) fn shares_of_causes(run: &Run) -> Vec<(CauseIs, f64)> {
    let known = KnownPages::of(run).recorded;
    if known == 0 {
        return Vec::new();
    }
    let share = |is: CauseIs| {
        let writers = run.who_wrote.writers.iter();
        let of_cause = pages(writers.filter(|it| cause_of(it) == is));
        (is, of_cause as f64 / known as f64)
    };
    let mut causes: Vec<(CauseIs, f64)> = CauseIs::ALL.map(share).into();
    if let Some(free) = FreePages::of(run) {
        set_new_objects_apart(&mut causes, free.share);
    }
    causes
}

/// Takes writes of new objects out of the kinds of write. Where more objects are new than there are writes of no
/// other kind, the first write to a page was the count or the header of a new object: such writes are taken out of
/// both kinds in equal parts, as it is not known which they were.
fn set_new_objects_apart(causes: &mut Vec<(CauseIs, f64)>, new_share: f64) {
    let take_from = |causes: &mut Vec<(CauseIs, f64)>, kinds: &[WriteKind], most: f64| {
        let is_one = |is: CauseIs| kinds.iter().any(|kind| is == CauseIs::Write(*kind));
        let of_kinds = || causes.iter().filter(|(is, _)| is_one(*is));
        let all: f64 = of_kinds().map(|(_, share)| share).sum();
        let taken = most.min(all);
        let left = if all > 0.0 { 1.0 - taken / all } else { 1.0 };
        for (_, share) in causes.iter_mut().filter(|(is, _)| is_one(*is)) {
            *share *= left;
        }
        taken
    };
    let of_others = take_from(causes, &[WriteKind::Other], new_share);
    let objects = [WriteKind::Refcount, WriteKind::Gc];
    let of_objects = take_from(causes, &objects, new_share - of_others);
    let new = of_others + of_objects;
    match causes.iter_mut().find(|(is, _)| *is == CauseIs::NewObjects) {
        Some((_, share)) => *share += new,
        None => causes.push((CauseIs::NewObjects, new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(causes: &[(CauseIs, f64)], is: CauseIs) -> f64 {
        causes.iter().find(|it| it.0 == is).map_or(0.0, |it| it.1)
    }

    #[test]
    fn writes_of_new_objects_are_no_reading_and_no_collecting() {
        let kinds = [
            (WriteKind::Refcount, 0.3),
            (WriteKind::Gc, 0.6),
            (WriteKind::Other, 0.1),
        ];
        let written = || kinds.map(|(kind, share)| (CauseIs::Write(kind), share));
        let shares = |new: f64| {
            let mut causes = written().to_vec();
            set_new_objects_apart(&mut causes, new);
            let of = |kind| share_of(&causes, CauseIs::Write(kind));
            let new = share_of(&causes, CauseIs::NewObjects);
            let found = [
                of(WriteKind::Refcount),
                of(WriteKind::Gc),
                of(WriteKind::Other),
                new,
            ];
            found.map(|share| format!("{share:.3}"))
        };
        assert_eq!(shares(0.05), ["0.300", "0.600", "0.050", "0.050"]);
        assert_eq!(shares(0.4), ["0.200", "0.400", "0.000", "0.400"]);
        // It is a share of all copies, some of which have no record of the write.
        assert_eq!(shares(1.2), ["0.000", "0.000", "0.000", "1.000"]);
    }
}
