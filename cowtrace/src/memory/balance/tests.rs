//! Balances of real children, and of pagemaps that are files.

use super::*;
use crate::memory::{page_bytes, read_mappings};
use crate::run::BalanceIs;
use std::{fs, path::PathBuf};

mod children;
mod samples;

const PAGE: u64 = 4096;
/// Documentation/admin-guide/mm/pagemap.rst.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
const ALONE: u64 = 1 << 56;
/// No machine has so much memory that the page of zeros is there.
const FIRST: u64 = 1 << 50;

fn balance(is: BalanceIs, pages: [u64; 5]) -> PageBalance {
    let [shared, unshared, new, gone, swapped] = pages;
    PageBalance {
        is,
        shared_pages: shared,
        unshared_pages: unshared,
        new_pages: new,
        gone_pages: gone,
        swapped_pages: swapped,
        error_pages: 0,
    }
}

/// A /proc of processes 1, 2, …, whose pagemaps are files, removed at the end.
struct Pagemaps(PathBuf);

impl Pagemaps {
    fn new(name: &str, maps: &[Vec<u64>]) -> Self {
        let root = std::env::temp_dir().join(format!("cowtrace-pm-{}-{name}", std::process::id()));
        for (at, entries) in maps.iter().enumerate() {
            let folder = root.join((at + 1).to_string());
            fs::create_dir_all(&folder).unwrap();
            let bytes: Vec<u8> = entries.iter().flat_map(|it| it.to_ne_bytes()).collect();
            fs::write(folder.join("pagemap"), bytes).unwrap();
        }
        Self(root)
    }

    fn balance(&self, inheritors: &[u32], pages: u64, budget: BalanceBudget) -> FamilyBalance {
        let span = 0..pages * PAGE;
        read_balance(&self.0, 1, inheritors, &[span], PAGE, budget)
    }
}

impl Drop for Pagemaps {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn each_page_is_what_it_is_beside_the_donors() {
    let (one, two) = (PRESENT | FIRST | 1, PRESENT | FIRST | 2);
    let (file, swap) = (PRESENT | OF_FILE | FIRST | 3, SWAPPED | 7 << 5);
    // Donor, inheritor.
    let pages = [
        (one, one),
        (one, two),
        (swap, two),
        (0, one),
        (file, one),
        (one, 0),
        (one, file),
        (swap, 0),
        (one, swap),
        (swap, swap),
        (0, swap),
        (0, 0),
        (file, file),
        (file, 0),
        (0, file),
    ];
    let maps = [pages.map(|it| it.0).to_vec(), pages.map(|it| it.1).to_vec()];
    let proc = Pagemaps::new("each", &maps);
    let found = proc.balance(&[2], 15, BalanceBudget::default());
    assert_eq!(
        found.inheritors,
        [balance(BalanceIs::Exact, [1, 2, 2, 3, 3])]
    );
    // The donor has one in five places, the other four that are not those.
    assert_eq!(
        (found.distinct_pages, found.extra_pages),
        (Some(9), Some(1))
    );
}

#[test]
fn without_frames_the_answer_is_coarser() {
    let pages = [
        (PRESENT, PRESENT),
        (PRESENT | ALONE, PRESENT | ALONE),
        // Shared with others than the donor, perhaps.
        (PRESENT | ALONE, PRESENT),
        (0, PRESENT | ALONE),
        (PRESENT | ALONE, 0),
        (PRESENT, SWAPPED),
    ];
    let maps = [pages.map(|it| it.0).to_vec(), pages.map(|it| it.1).to_vec()];
    let proc = Pagemaps::new("coarse", &maps);
    let found = proc.balance(&[2], 6, BalanceBudget::default());
    assert_eq!(
        found.inheritors,
        [balance(BalanceIs::Coarse, [2, 1, 1, 1, 1])]
    );
    assert_eq!((found.distinct_pages, found.extra_pages), (None, None));
}

#[test]
fn who_has_ended_has_no_balance() {
    let map = vec![PRESENT | FIRST; 9];
    let proc = Pagemaps::new("ended", &[map.clone(), map.clone(), map[..5].to_vec()]);
    let found = proc.balance(&[2, 3, 77], 9, BalanceBudget::default());
    let unknown = PageBalance::default();
    let shared = balance(BalanceIs::Exact, [9, 0, 0, 0, 0]);
    assert_eq!(found.inheritors, [shared, unknown, unknown]);
    assert_eq!(
        proc.balance(&[], 9, BalanceBudget::default())
            .distinct_pages,
        Some(9)
    );
    let span = 0..PAGE;
    let orphans = read_balance(
        &proc.0,
        77,
        &[2, 3],
        &[span],
        PAGE,
        BalanceBudget::default(),
    );
    assert_eq!(orphans.inheritors, [unknown, unknown]);
    assert_eq!(orphans.distinct_pages, None);
}

#[test]
fn only_private_memory_that_can_be_written_is_compared() {
    let maps =
        "1000-3000 rw-p 0 0:0 0 [heap]\n3000-4000 rw-p 0 fe:0 7 /lib\n4000-5000 r--p 0 fe:0 7 /lib
6000-7000 rw-s 0 0:1 7 /dev/zero\n8000-9000 -w-p 0 0:0 0\n9000-a000 r-xp 0 0:0 0 [vdso]\n";
    let mut mappings = read_mappings(maps.as_bytes()).unwrap();
    let others = read_mappings(b"2000-3800 rw-p 0 0:0 0\nb000-c000 rw-p 0 0:0 0\n").unwrap();
    let both = || mappings.iter().chain(&others);
    assert_eq!(
        balance_spans(both()),
        [0x1000..0x4000, 0x8000..0x9000, 0xb000..0xc000]
    );
    mappings[4].huge_page_bytes = 2 << 20;
    let first = 0x1000..0x4000;
    assert_eq!(balance_spans(&mappings), [first]);
}

#[test]
fn a_machines_page_is_at_most_a_unit() {
    assert!(page_bytes() <= sample::unit_bytes(page_bytes()));
    assert_eq!(sample::unit_bytes(PAGE), 64 << 10);
}
