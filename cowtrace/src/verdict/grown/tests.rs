//! What grows, of made-up heaps.

use super::*;
use crate::run::{GrownType, arbitrary};

const PAGES: u64 = 2_560;
const BYTES: u64 = PAGES * 4096;

fn heap(process_id: u32, held: u64, unheld: u64) -> GrownHeap {
    GrownHeap {
        process_id,
        new_pages: PAGES,
        read_pages: PAGES,
        objects: 1_000,
        bytes: BYTES * (held + unheld) / 100,
        unheld_objects: 1_000 * unheld / (held + unheld).max(1),
        unheld_bytes: BYTES * unheld / 100,
        held_bytes: BYTES * held / 100,
        cyclic_objects: Some(1_000 * unheld / (held + unheld).max(1)),
        collects: Some(unheld == 0),
        ..GrownHeap::default()
    }
}

/// Two workers, of whose new memory these percentages are held and not held.
fn run(held: u64, unheld: u64) -> Run {
    let mut run = arbitrary::empty();
    let grown = &mut run.growth.grown;
    for process_id in [1, 2] {
        grown.heaps.push(heap(process_id, held, unheld));
        let of_type = |name: &str, is_container| GrownType {
            process_id,
            name: name.into(),
            is_container,
            unheld_objects: grown.heaps[0].unheld_objects / 2,
            ..GrownType::default()
        };
        grown
            .types
            .extend([of_type("bytes", false), of_type("list", true)]);
        grown.variables.push(GrownVariable {
            process_id,
            path: "work() local cache".into(),
            type_name: Some("dict".into()),
            entries: Some(10_000 + u64::from(process_id)),
            bytes: BYTES * held / 100,
            ..GrownVariable::default()
        });
    }
    run
}

fn parts(run: &Run) -> Vec<WhatPartIs> {
    let found = WhatGrows::of(run).expect("read");
    found.parts.into_iter().map(|part| part.is).collect()
}

fn cycles(objects: u64) -> WhatPartIs {
    WhatPartIs::Unheld {
        objects,
        are_cycles: true,
        types: vec![("list".into(), 0.5), ("bytes".into(), 0.5)],
    }
}

fn cache() -> WhatPartIs {
    WhatPartIs::Variable {
        path: "work() local cache".into(),
        type_name: Some("dict".into()),
        entries: Some(10_002),
    }
}

#[test]
fn what_nothing_holds_are_cycles_of_what_can_be_in_one() {
    let run = run(0, 90);
    assert_eq!(parts(&run), [cycles(2_000)]);
    let found = WhatGrows::of(&run).unwrap();
    assert!(found.is_collector_off() && found.collectors_off == 2);
    assert_eq!(found.parts[0].bytes, BYTES * 90 / 100 * 2);
    let advice = found.advice(0).expect("the collector is off");
    assert_eq!(advice.saves_at_most_bytes, Some(found.parts[0].bytes));
    // A third worker has as much.
    let advice = found.advice(3 * BYTES).unwrap();
    assert_eq!(
        advice.saves_at_most_bytes,
        Some(found.parts[0].bytes + BYTES)
    );
    assert!(advice.what.contains("gc.enable()"));
}

#[test]
fn a_variable_is_one_however_many_processes_have_it() {
    assert_eq!(parts(&run(90, 0)), [cache()]);
    assert_eq!(parts(&run(60, 20)), [cache(), cycles(500)]);
    assert!(WhatGrows::of(&run(90, 0)).unwrap().advice(0).is_none());
}

#[test]
fn what_native_code_may_hold_is_not_called_a_cycle() {
    let mut found = run(20, 70);
    for heap in &mut found.growth.grown.heaps {
        heap.cyclic_objects = Some(heap.unheld_objects / 3);
    }
    let is_cycle = |run: &Run| {
        parts(run).iter().any(|it| {
            matches!(
                it,
                WhatPartIs::Unheld {
                    are_cycles: true,
                    ..
                }
            )
        })
    };
    assert!(!is_cycle(&found));
    // Where the pages were too many to look at all of them, it goes by how many there are.
    found.growth.grown.heaps[0].cyclic_objects = None;
    assert!(!is_cycle(&found));
    let mut found = run(4, 90);
    found.growth.grown.heaps[1].cyclic_objects = None;
    assert!(is_cycle(&found));
    // What the walk has not come to may be held.
    found.growth.grown.heaps[0].is_partial = true;
    assert!(!is_cycle(&found));
}

#[test]
fn pages_without_objects_are_native_and_those_with_few_may_be_the_allocators() {
    assert_eq!(parts(&run(0, 0)), [WhatPartIs::Native]);
    assert_eq!(parts(&run(2, 0)), [WhatPartIs::NearlyEmpty]);
    assert_eq!(parts(&run(45, 0)), [WhatPartIs::NearlyEmpty, cache()]);
    assert_eq!(parts(&run(70, 0)), [cache()]);
}

#[test]
fn what_could_not_be_read_says_nothing() {
    let mut run = run(0, 90);
    for heap in &mut run.growth.grown.heaps {
        heap.failure = Some("it has ended".into());
    }
    assert_eq!(WhatGrows::of(&run), None);
    assert_eq!(WhatGrows::of(&arbitrary::empty()), None);
}
