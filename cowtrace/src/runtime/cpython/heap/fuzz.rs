//! Fuzzes the heap in a process's memory: handmade heaps with arbitrary changes.

use super::{
    find::Found,
    handmade::{ALL, BYTES, Heap, START, versions},
    regions::CHUNK,
};
use crate::{
    fuzzing::{Target, Values},
    run::{Grown, HeapContents, HeapSum},
};

/// A walk of the objects.
pub(crate) const HEAP: Target = Target {
    name: "heap",
    run: heap,
    seeds,
    max_bytes: 4 << 10,
    // The limits of a walk; memory this small needs little of them.
    memory: |_| 8 << 20,
};

/// Bytes per change.
const CHANGE: usize = 8;
/// Longest text of a path's step, bytes, and most steps of a path.
const MOST_PATH: usize = 64 * 400;

/// First the version, the present pages and where the mapping is split; then changes: a word, the
/// operation, and two numbers for it.
fn heap(input: &[u8]) {
    let mut values = Values(input);
    let versions = versions();
    let version = &versions[usize::from(values.byte()) % versions.len()];
    let absent = values.byte();
    let present = if absent == 0 {
        u16::MAX
    } else {
        !(1 << (absent % 16))
    };
    let split = ALL.start + u64::from(values.byte()) * (BYTES as u64 / 256);
    let gap = u64::from(values.byte()) * 16;
    let (mut heap, mut copied) = Heap::made(version);
    heap.add_interpreter();
    let (places, items) = (copied[..3].to_vec(), copied[3..9].to_vec());
    heap.array_in(places[0], &items[..3]);
    heap.table_in(
        places[1],
        [items[0], items[1], items[2]],
        [&items[..3], &items[3..]],
    );
    heap.mapping_in(places[2], 0x100);
    let mapped = [ALL.start..split, (split + gap).min(ALL.end)..ALL.end];
    while !values.is_empty() {
        change(&mut heap, &mut copied, values.bytes(CHANGE));
    }
    let mapped: Vec<_> = mapped
        .into_iter()
        .filter(|range| !range.is_empty())
        .collect();
    if let Ok(found) = heap.find_in(copied, &mapped, present) {
        check(&found);
    }
    if let Ok(contents) = heap.count_in(&mapped, present) {
        check_contents(&contents);
    }
    // New pages are whole ones.
    if let Ok(grown) = heap.grown_in(&[ALL], &mapped, present) {
        check_grown(&grown);
    }
}

fn change(heap: &mut Heap, copied: &mut Vec<u64>, change: &[u8]) {
    let mut values = Values(change);
    let at = (values.byte() as usize | (values.byte() as usize) << 8) % (BYTES / 8);
    let (what, index, number) = (values.byte(), values.byte(), u64::from(values.half_word()));
    let before = heap.word(START + at as u64 * 8);
    let made = |index: u64| heap.made[index as usize % heap.made.len()];
    let value = match what % 10 {
        0 => number,
        1 => START + number % BYTES as u64,
        2 => made(index.into()),
        // A type.
        3 => START + u64::from(index % 28) * 0x400,
        4 => number << 32 | before & 0xffff_ffff,
        5 => (number | 0xffff_ffff << 32).wrapping_sub(index.into()),
        6 => before ^ 1 << (index % 64),
        7 => before.wrapping_add(u64::from(index) * 8),
        8 => number << (index % 64),
        // Not a change: an address to look up.
        _ => {
            copied.push(START + number % BYTES as u64);
            return;
        }
    };
    // An existing object as well as any place.
    let at = if index % 2 == 0 {
        START + at as u64 * 8
    } else {
        let near = made(at as u64) + (at as u64 / 256 % 8) * 8;
        near.min(START + BYTES as u64 - 8)
    };
    heap.put(at, &[value]);
}

fn check(found: &Found) {
    assert!(found.held_pages <= found.asked_pages);
    assert!(found.objects <= BYTES as u64 / 16);
    assert!(found.bytes_read <= 16 * CHUNK.max(4 << 30));
    let told: u64 = found.variables.iter().map(|it| it.copied_pages).sum();
    assert!(told <= found.held_pages && found.variables.len() <= 32);
    assert!(
        found
            .variables
            .is_sorted_by_key(|it| std::cmp::Reverse(it.copied_pages))
    );
    for variable in &found.variables {
        let types: u64 = variable.types.iter().map(|(_, pages)| pages).sum();
        assert!(types <= variable.copied_pages && variable.path.len() <= MOST_PATH);
        for (path, pages) in &variable.also_held_by {
            assert!(*pages <= variable.copied_pages && path.len() <= MOST_PATH);
        }
    }
}

/// All sums are of the same objects.
fn check_contents(contents: &HeapContents) {
    let all = contents.all;
    assert!(all.objects <= BYTES as u64 / 16);
    let mut types = HeapSum::default();
    contents.types.iter().for_each(|found| types.add(found.sum));
    let mut holders = contents.smaller_variables;
    contents
        .variables
        .iter()
        .for_each(|found| holders.add(found.sum));
    holders.add(contents.interpreter_alone);
    if let Ok(unheld) = &contents.unheld {
        holders.add(unheld.sum);
    }
    assert!(types == all && holders == all);
    let paths = contents.variables.iter().map(|found| found.path.len());
    assert!(paths.max().unwrap_or(0) <= MOST_PATH);
}

/// No more than the pages have, and no more of a kind than of all.
fn check_grown(grown: &Grown) {
    for heap in &grown.heaps {
        assert!(heap.read_pages <= heap.new_pages && heap.objects <= BYTES as u64 / 16);
        assert!(heap.unheld_objects <= heap.objects && heap.unheld_bytes <= heap.bytes);
        assert!(heap.cyclic_objects.unwrap_or(0) <= heap.unheld_objects);
        let held: u64 = grown.variables.iter().map(|it| it.bytes).sum();
        assert!(held <= heap.held_bytes && heap.held_bytes <= BYTES as u64);
        let types: u64 = grown.types.iter().map(|it| it.objects).sum();
        assert!(types <= heap.objects);
    }
    let paths = grown.variables.iter().map(|it| it.path.len());
    assert!(paths.max().unwrap_or(0) <= MOST_PATH);
}

/// Each version unchanged; then with one change of each kind.
fn seeds() -> Vec<Vec<u8>> {
    let heads = (0..8).map(|version| vec![version, 0, 0, 0]);
    let changes = (0..10).flat_map(|what| [0x40 + what, 0x14, what, what * 3, 0x40, 0x42, 0, 0]);
    let changes: Vec<u8> = changes.collect();
    heads
        .flat_map(|head| [head.clone(), [head, changes.clone()].concat()])
        .collect()
}
