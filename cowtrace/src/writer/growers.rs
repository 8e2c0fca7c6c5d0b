//! Who touched new memory: adds up sampled first touches, and names who made them.

use std::collections::HashMap;

use cowtrace_common::evidence::{BY_KERNEL, Evidence, UNKNOWN_CALL};

use super::place::CodePlace;
use crate::{
    native::NamedFunction,
    run::{Grower, Kind},
};

/// Most distinct places: about 2 MiB. Further ones are grouped by process, kind of memory and system call.
const MAX_PLACES: usize = 16_384;

/// Sampled first touches, by place.
#[derive(Default)]
pub(super) struct TouchSums(HashMap<TouchKey, Touched>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TouchKey {
    pub(super) code: CodePlace,
    /// Record of the process whose memory it is.
    process_id: u32,
    kind: Option<Kind>,
    /// Number of the system call.
    call: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Touched {
    samples: u64,
    pages: u64,
}

/// Who touched new memory, by names only.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct GrowerRow {
    process_id: u32,
    kind: Option<usize>,
    function: Option<String>,
    module: Option<String>,
    system_call: Option<u32>,
    python_stack: Option<u32>,
    native_stack: Option<u32>,
}

impl TouchSums {
    /// Adds a sampled first touch of memory of a kind, by the record of its process; returns whether its place is a
    /// new one.
    pub(super) fn take(
        &mut self,
        evidence: &Evidence,
        code: CodePlace,
        (process_id, kind): (u32, Option<Kind>),
    ) -> bool {
        let is_known = u64::from(evidence.system_call()) != UNKNOWN_CALL;
        let is_call = evidence.core.flags & BY_KERNEL != 0 && is_known;
        let key = TouchKey {
            code,
            process_id,
            kind,
            call: is_call.then(|| evidence.system_call()),
        };
        self.add(key, evidence.pages())
    }

    fn add(&mut self, mut key: TouchKey, pages: u64) -> bool {
        if self.0.len() >= MAX_PLACES && !self.0.contains_key(&key) {
            key.code = key.code.unknown();
        }
        let sum = self.0.entry(key).or_default();
        sum.samples += 1;
        sum.pages += pages;
        sum.samples == 1
    }

    /// The places.
    pub(super) fn keys(&self) -> impl Iterator<Item = &TouchKey> {
        self.0.keys()
    }

    /// Who made them, most pages first. `name` gives the function and the native stack of a place,
    /// `process_in_run` the serial number in the run.
    pub(super) fn named<'a>(
        &self,
        mut name: impl FnMut(CodePlace) -> (Option<&'a NamedFunction>, Option<u32>),
        process_in_run: impl Fn(u32) -> u32,
    ) -> Vec<Grower> {
        let mut rows: HashMap<GrowerRow, Touched> = HashMap::new();
        for (key, touched) in &self.0 {
            let (function, native_stack) = name(key.code);
            let place = |kind| Kind::ALL.iter().position(|it| *it == kind);
            let row = GrowerRow {
                process_id: process_in_run(key.process_id),
                kind: key.kind.and_then(place),
                function: function.map(|function| function.function.clone()),
                module: function.map(|function| function.module.clone()),
                system_call: key.call,
                python_stack: key.code.python_stack,
                native_stack,
            };
            let sum = rows.entry(row).or_default();
            sum.samples += touched.samples;
            sum.pages += touched.pages;
        }
        let mut rows: Vec<(GrowerRow, Touched)> = rows.into_iter().collect();
        rows.sort_by(|(one, of_one), (other, of_other)| {
            (of_other.pages.cmp(&of_one.pages)).then_with(|| one.cmp(other))
        });
        rows.into_iter().map(GrowerRow::in_run).collect()
    }
}

impl GrowerRow {
    fn in_run((row, touched): (Self, Touched)) -> Grower {
        Grower {
            process_id: row.process_id,
            kind: row.kind.and_then(|place| Kind::ALL.get(place).copied()),
            function: row.function,
            module: row.module,
            system_call: row.system_call,
            python_stack: row.python_stack,
            native_stack: row.native_stack,
            sampled_touches: touched.samples,
            pages: touched.pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(process_id: u32, instruction: u64) -> TouchKey {
        TouchKey {
            code: CodePlace {
                program: 1,
                instruction,
                python_stack: None,
                native_stack: None,
                process: None,
            },
            process_id,
            kind: Some(Kind::Heap),
            call: None,
        }
    }

    #[test]
    fn places_are_added_up_by_name_and_joined_processes_together() {
        let mut sums = TouchSums::default();
        sums.add(key(1, 0x10), 64);
        sums.add(key(1, 0x20), 64);
        sums.add(key(2, 0x10), 512);
        let growers = sums.named(|_| (None, None), |id| id);
        let told: Vec<_> = growers
            .iter()
            .map(|it| (it.process_id, it.sampled_touches, it.pages))
            .collect();
        assert_eq!(told, [(2, 1, 512), (1, 2, 128)]);
        let joined = sums.named(|_| (None, None), |_| 7);
        assert_eq!(joined.len(), 1);
        assert_eq!((joined[0].process_id, joined[0].pages), (7, 640));
    }

    #[test]
    fn too_many_places_are_grouped_and_none_is_lost() {
        let mut sums = TouchSums::default();
        for instruction in 1..=MAX_PLACES as u64 + 100 {
            sums.add(key(1, instruction), 64);
        }
        assert_eq!(sums.0.len(), MAX_PLACES + 1);
        let grouped = sums.0[&key(1, 0)];
        assert_eq!((grouped.samples, grouped.pages), (100, 6_400));
    }
}
