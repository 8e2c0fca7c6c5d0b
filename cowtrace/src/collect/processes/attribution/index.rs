//! Which region a mapping belongs to, found among tens of thousands by address.

use std::collections::{BTreeMap, HashMap};

use crate::run::{Kind, Mapping};

/// The regions of all processes. A mapping is the same region as an earlier one if they have an
/// address in common, and the same process, name, kind and permissions.
#[derive(Debug, Default)]
pub(super) struct RegionIndex {
    /// By process and name.
    classes: HashMap<u32, HashMap<String, Vec<RegionClass>>>,
}

/// Mappings of one name that look alike.
#[derive(Debug)]
struct RegionClass {
    kind: Kind,
    perms: String,
    spans: Spans,
}

/// Address spans that do not overlap, by where they begin: where each ends, and its region.
#[derive(Debug, Default)]
struct Spans(BTreeMap<u64, (u64, u32)>);

impl RegionIndex {
    /// The region of a mapping, from now on also of all its addresses; a new one of this number if
    /// none has any of them. Where several have, it is the one that came first.
    pub(super) fn region_of(&mut self, process: u32, mapping: &Mapping, new: u32) -> u32 {
        let names = self.classes.entry(process).or_default();
        // Looked up first: most are known, and a name is copied only once.
        if !names.contains_key(&mapping.name) {
            names.insert(mapping.name.clone(), Vec::new());
        }
        let Some(classes) = names.get_mut(&mapping.name) else {
            return new;
        };
        let is_alike =
            |class: &RegionClass| class.kind == mapping.kind && class.perms == mapping.perms;
        let at = classes.iter().position(is_alike).unwrap_or_else(|| {
            classes.push(RegionClass {
                kind: mapping.kind,
                perms: mapping.perms.clone(),
                spans: Spans::default(),
            });
            classes.len() - 1
        });
        classes[at].spans.take(mapping.start, mapping.end, new)
    }
}

impl Spans {
    /// Gives addresses to the first of the regions that have any of them, or to a new one.
    fn take(&mut self, start: u64, end: u64, new: u32) -> u32 {
        let touched: Vec<(u64, u64, u32)> = self
            .0
            .range(..end)
            .rev()
            .map(|(&start, &(end, region))| (start, end, region))
            .take_while(|(_, end, _)| *end > start)
            .collect();
        if let [(first, last, region)] = touched[..]
            && first <= start
            && end <= last
        {
            return region;
        }
        let region = touched.iter().map(|span| span.2).min().unwrap_or(new);
        let (mut from, mut to) = (start, end);
        for (first, last, other) in touched {
            self.0.remove(&first);
            if other == region {
                (from, to) = (from.min(first), to.max(last));
                continue;
            }
            if first < start {
                self.0.insert(first, (start, other));
            }
            if end < last {
                self.0.insert(end, (last, other));
            }
        }
        self.0.insert(from, (to, region));
        region
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain way: regions in the order they came, each with all addresses it ever had.
    #[derive(Default)]
    struct Plain(Vec<(u64, u64)>);

    impl Plain {
        fn take(&mut self, start: u64, end: u64) -> u32 {
            let touches = |&(first, last): &(u64, u64)| first < end && start < last;
            let found = self.0.iter().position(touches);
            let at = found.unwrap_or_else(|| {
                self.0.push((start, end));
                self.0.len() - 1
            });
            let (first, last) = self.0[at];
            self.0[at] = (first.min(start), last.max(end));
            u32::try_from(at).unwrap()
        }
    }

    proptest! {
        #[test]
        fn regions_are_those_that_looking_at_all_of_them_finds(
            mappings in proptest::collection::vec((0u64..60, 1u64..20), 0..60),
        ) {
            let (mut spans, mut plain) = (Spans::default(), Plain::default());
            for (start, size) in mappings {
                let new = u32::try_from(plain.0.len()).unwrap();
                let found = spans.take(start, start + size, new);
                prop_assert_eq!(found, plain.take(start, start + size));
                let ends: Vec<u64> = spans.0.iter().flat_map(|(s, (e, _))| [*s, *e]).collect();
                prop_assert!(ends.is_sorted(), "spans overlap: {:?}", ends);
            }
        }
    }
}
