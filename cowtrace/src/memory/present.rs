//! Which pages of its own memory a process has, and which of them it did not have before or another process
//! lacks.

use std::{ops::Range, path::Path};

use super::{
    balance::balance_spans,
    maps::{read_layout_text, read_mappings},
    pagemap::{ENTRIES, PageEntry, PagemapFile, known_zero_frame},
    urgent::Urgent,
};

/// Most address space that is looked at, bytes: sanitizers reserve terabytes.
const MOST_VIRTUAL: u64 = 256 << 30;
/// Most separate ranges that are kept: 16 MiB.
const MOST_RANGES: usize = 1 << 20;

/// The pages of private, writable mappings that a process has in memory or in swap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresentPages {
    /// By address; none touches the next.
    ranges: Vec<Range<u64>>,
    /// Whether some were left out to stay within a bound.
    pub is_partial: bool,
}

/// Reads which pages a process has; `None` if it cannot be read. Takes some 20 ms a GiB.
#[must_use]
pub fn read_present(root: &Path, pid: u32, page_bytes: u64) -> Option<PresentPages> {
    let mappings = read_mappings(&read_layout_text(root, pid).ok()?).ok()?;
    let mut file = PagemapFile::open(root, pid, page_bytes).ok()?;
    let zero = known_zero_frame(page_bytes);
    let mut found = PresentPages::default();
    let mut left = MOST_VIRTUAL;
    let mut urgent = Urgent::begin();
    for span in balance_spans(&mappings) {
        let size = span.end - span.start;
        if size > left {
            found.is_partial = true;
            continue;
        }
        left -= size;
        let step = ENTRIES as u64 * page_bytes;
        for at in (span.start..span.end).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            urgent.pause();
            let pages = (span.end - at) / page_bytes;
            for (page, entry) in (0..).zip(file.entries(at, pages)) {
                if is_own(entry, zero) {
                    found.add(at + page * page_bytes, page_bytes);
                }
            }
        }
    }
    Some(found)
}

/// Whether it is a page of anonymous memory, in memory or in swap.
fn is_own(entry: PageEntry, zero: Option<u64>) -> bool {
    let is_zero = entry.is_present() && zero == Some(entry.frame());
    (entry.is_present() || entry.is_swapped()) && !entry.is_of_file() && !is_zero
}

impl PresentPages {
    /// The pages in these ranges of addresses, which are in order.
    #[must_use]
    pub fn of_ranges(ranges: Vec<Range<u64>>) -> Self {
        Self {
            ranges,
            is_partial: false,
        }
    }

    fn add(&mut self, at: u64, bytes: u64) {
        let is_full = self.ranges.len() >= MOST_RANGES;
        match self.ranges.last_mut() {
            Some(last) if last.end == at => last.end = at + bytes,
            _ if is_full => self.is_partial = true,
            _ => self.ranges.push(at..at + bytes),
        }
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Their addresses, in order.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn has(&self, address: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= address);
        let before = after.checked_sub(1).and_then(|at| self.ranges.get(at));
        before.is_some_and(|range| address < range.end)
    }

    /// Those that are not among others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let mut left = Self {
            ranges: Vec::new(),
            is_partial: self.is_partial || others.is_partial,
        };
        let mut others = others.ranges.iter().peekable();
        for range in &self.ranges {
            let mut start = range.start;
            while let Some(other) = others.peek() {
                if other.end <= start {
                    others.next();
                    continue;
                }
                if other.start >= range.end {
                    break;
                }
                if other.start > start {
                    left.ranges.push(start..other.start);
                }
                start = other.end;
                if start >= range.end {
                    break;
                }
            }
            if start < range.end {
                left.ranges.push(start..range.end);
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pages(numbers: impl IntoIterator<Item = u64>) -> PresentPages {
        let mut found = PresentPages::default();
        for number in numbers {
            found.add(number * 4096, 4096);
        }
        found
    }

    fn numbers(pages: &PresentPages) -> Vec<u64> {
        let ranges = pages.ranges().iter();
        ranges
            .flat_map(|range| (range.start / 4096)..(range.end / 4096))
            .collect()
    }

    proptest! {
        #[test]
        fn what_others_have_is_taken_off(
            mine in proptest::collection::btree_set(0u64..60, 0..40),
            theirs in proptest::collection::btree_set(0u64..60, 0..40),
        ) {
            let left = pages(mine.iter().copied()).without(&pages(theirs.iter().copied()));
            let expected: Vec<u64> = mine.difference(&theirs).copied().collect();
            prop_assert_eq!(numbers(&left), expected.clone());
            prop_assert_eq!(left.bytes(), expected.len() as u64 * 4096);
            for page in 0..60 {
                prop_assert_eq!(left.has(page * 4096 + 8), expected.contains(&page));
            }
        }
    }

    #[test]
    fn own_memory_is_found_once_it_is_touched() {
        let bytes = 64 * 4096;
        let pid = std::process::id();
        let root = Path::new("/proc");
        // Larger than what the C library ever keeps (32 MiB): a mapping of its own, which nobody has touched.
        let mut new = vec![0u8; 64 << 20];
        let before = read_present(root, pid, 4096).unwrap();
        new[..bytes].fill(1);
        let new_at = new.as_ptr() as u64;
        let after = read_present(root, pid, 4096).unwrap().without(&before);
        assert!(!before.has(new_at + 4096));
        // The first has what the C library writes before the block.
        let touched = (1..64).filter(|page| after.has(new_at + page * 4096 + 8));
        assert_eq!(touched.count(), 63);
        assert!(read_present(root, u32::MAX, 4096).is_none());
        assert_eq!(new[bytes - 1], 1);
    }
}
