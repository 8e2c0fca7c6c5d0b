//! Addresses all over a memory whose holders a walk finds in addition to those of the copied
//! addresses: they show what lies where, for copies after the walk.

use super::regions::{PAGE, Regions};

/// Most landmarks of a page: objects are rarely larger than the distance between two.
const MOST_A_PAGE: usize = 8;
const WORD: u64 = 8;

/// Landmarks in order, at most this many: the same number in each present page, or one in some of
/// the pages.
pub(super) fn spread_landmarks(regions: &Regions, most: usize) -> Vec<u64> {
    let pages = if most == 0 {
        0
    } else {
        regions.present_pages().count()
    };
    if pages == 0 {
        return Vec::new();
    }
    let a_page = (most / pages).clamp(1, MOST_A_PAGE);
    let every = pages.div_ceil(most);
    let mut found = Vec::with_capacity(most.min(pages * a_page));
    for page in regions.present_pages().step_by(every) {
        let distance = PAGE / a_page as u64;
        // Not at regular distances, because blocks of one size are regular too.
        let mut random = mix_number(page);
        for index in 0..a_page as u64 {
            let within = (random & 0xffff) % (distance / WORD) * WORD;
            found.push(page.saturating_add(index * distance + within));
            random = mix_number(random);
        }
    }
    // Mappings that begin within a page may share it with others.
    found.sort_unstable();
    found.dedup();
    found
}

/// Weyl's sequence, mixed (splitmix64).
pub(super) const fn mix_number(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cpython::heap::bytes::anonymous_mapping;

    fn landmarks(most: usize) -> Vec<u64> {
        let mappings = [
            anonymous_mapping(0x100_0000, 0x102_0000, "rw-p"),
            anonymous_mapping(0x200_0000, 0x201_0000, "rw-p"),
        ];
        // Every other page is present: 24 of them.
        let regions = Regions::of(&mappings, 1 << 10, |first, entries| {
            for (page, entry) in (first..).zip(entries.chunks_exact_mut(8)) {
                entry.copy_from_slice(&((page % 2) << 63).to_ne_bytes());
            }
        });
        spread_landmarks(&regions, most)
    }

    #[test]
    fn each_present_page_has_as_many() {
        for (most, a_page) in [(1000, MOST_A_PAGE), (71, 2), (24, 1)] {
            let found = landmarks(most);
            assert_eq!(found.len(), 24 * a_page);
            assert!(found.is_sorted_by(|one, other| one < other), "{found:x?}");
            let in_page = |page: u64| found.iter().filter(|at| *at / PAGE == page).count();
            assert_eq!([0x1001, 0x2001, 0x1000].map(in_page), [a_page, a_page, 0]);
            assert!(found.iter().all(|at| at % WORD == 0));
        }
    }

    #[test]
    fn where_there_is_no_room_some_pages_have_one() {
        let found = landmarks(10);
        assert_eq!(found.len(), 8, "of every third");
        assert!(landmarks(0).is_empty());
    }
}
