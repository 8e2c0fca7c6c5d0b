//! Pages on which variables lie in known ways.

use super::*;

const NAME: usize = 0;
const CITY: usize = 1;
const NOTES: usize = 2;
/// Everything else.
const REST: usize = 3;

fn part(variable: usize, bytes: u32, copies: u64) -> VariablePart {
    VariablePart {
        variable,
        bytes,
        has_counts: true,
        has_headers: false,
        copies,
    }
}

fn page(parts: Vec<VariablePart>) -> PageUse {
    let copies = parts.iter().map(|part| part.copies).sum();
    PageUse {
        is_copied: copies > 0,
        copies,
        unheld: 0,
        in_headers: 0,
        parts,
    }
}

fn uses(pages: Vec<PageUse>) -> PageUses {
    let all = PageCount { all: 1, sampled: 1 };
    PageUses {
        pages,
        variables: REST + 1,
        written: 1,
        copied: all,
        others: all,
    }
}

/// Only `NAME` was written first.
fn saving(pages: Vec<PageUse>) -> (Saving, Vec<(usize, u64)>) {
    let uses = uses(pages);
    uses.saving_of(NAME, &uses.own_copies(), 1.0)
}

/// A hundred of each of these pages.
fn hundred(pages: &[PageUse]) -> Vec<PageUse> {
    pages
        .iter()
        .cloned()
        .cycle()
        .take(pages.len() * 100)
        .collect()
}

fn told(saving: &Saving) -> [u64; 4] {
    [
        saving.pages_with,
        saving.pages_alone,
        saving.saved_pages,
        saving.saved_together_pages,
    ]
}

#[test]
fn of_pages_that_others_may_use_too_the_share_is_saved() {
    let mixed = page(vec![
        part(NAME, 1000, 2),
        part(CITY, 1000, 0),
        part(NOTES, 2000, 0),
    ]);
    let (saving, neighbours) = saving(hundred(&[mixed]));
    assert_eq!(told(&saving), [200, 0, 50, 200]);
    assert_eq!(neighbours, [(CITY, 200), (NOTES, 200)]);
}

#[test]
fn what_stays_shared_on_pages_of_its_own_is_not_used() {
    let mixed = page(vec![part(NAME, 1000, 2), part(NOTES, 3000, 0)]);
    let own = page(vec![part(NOTES, 4000, 0)]);
    let (saving, neighbours) = saving(hundred(&[mixed, own]));
    assert_eq!(told(&saving), [200, 200, 200, 200]);
    assert_eq!(neighbours, []);
}

#[test]
fn what_is_copied_on_pages_of_its_own_is_copied_still() {
    let mixed = page(vec![part(NAME, 1000, 2), part(CITY, 3000, 0)]);
    // One of two processes reads it.
    let own = page(vec![part(CITY, 4000, 1)]);
    let (saving, neighbours) = saving(hundred(&[mixed, own]));
    // Three quarters of a page, copied once.
    assert_eq!(told(&saving), [200, 0, 125, 300]);
    assert_eq!(neighbours, [(CITY, 200)]);
}

#[test]
fn tables_are_no_use_and_little_is_noise() {
    let table = VariablePart {
        has_counts: false,
        ..part(CITY, 3000, 0)
    };
    let mixed = page(vec![part(NAME, 1000, 1), table, part(REST, FLOOR - 1, 0)]);
    let (saving, neighbours) = saving(hundred(&[mixed]));
    assert_eq!(told(&saving), [100, 100, 100, 100]);
    assert_eq!(neighbours, []);
}

#[test]
fn a_write_to_what_no_variable_holds_remains() {
    let mut mixed = page(vec![part(NAME, PAGE as u32 / 4, 1)]);
    mixed.copies += 1;
    mixed.unheld += 1;
    let (saving, _) = saving(hundred(&[mixed]));
    // Three quarters of it are copied once.
    assert_eq!(told(&saving), [200, 0, 125, 125]);
}
#[test]
fn what_reading_would_have_copied_anyway_the_collector_does_not_cost() {
    let frozen = |read: u64| {
        let mut collected = page(vec![part(NAME, 2000, 2)]);
        collected.in_headers = 2;
        collected.parts[0].has_headers = true;
        let strings = page(vec![part(NAME, 4000, read)]);
        let found = uses(hundred(&[collected, strings])).freeze_saving(1.0);
        (found.header_pages, found.saved_pages, found.is_bound)
    };
    assert_eq!(frozen(0), (200, 200, false));
    assert_eq!(frozen(1), (200, 100, false));
    assert_eq!(frozen(2), (200, 0, false));
    // No page shows how much of it is read.
    let mut collected = page(vec![part(NAME, 2000, 2)]);
    collected.in_headers = 1;
    collected.parts[0].has_headers = true;
    let found = uses(hundred(&[collected])).freeze_saving(1.0);
    assert_eq!((found.saved_pages, found.is_bound), (100, true));
}
