//! The truth about copies: a process's page frames, from the kernel's pagemap (needs root).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    thread,
    time::Duration,
};

const PAGE: u64 = 4096;
/// Documentation/admin-guide/mm/pagemap.rst: bits 0-54 the frame, bit 63 present.
const FRAME: u64 = (1 << 55) - 1;
const PRESENT: u64 = 1 << 63;
/// Bit 61: the page is of a file, or shared memory.
const FILE: u64 = 1 << 61;

/// A private, writable mapping and the frames of its pages.
#[derive(Clone, Debug)]
pub struct Frames {
    /// First address.
    pub start: u64,
    /// Frame of each page, 0 for an absent page.
    pub frames: Vec<u64>,
}

/// The frames of every private, writable mapping of a process, by its first address.
///
/// # Panics
/// If /proc cannot be read.
#[must_use]
pub fn frames(pid: u32) -> BTreeMap<u64, Frames> {
    let maps = fs::read(format!("/proc/{pid}/maps")).expect("maps can be read");
    let pagemap = File::open(format!("/proc/{pid}/pagemap")).expect("pagemap can be read");
    let text = String::from_utf8_lossy(&maps);
    let mappings = text.lines().filter_map(writable_mapping);
    mappings
        .map(|(start, end)| {
            (
                start,
                Frames {
                    start,
                    frames: read(&pagemap, start, end),
                },
            )
        })
        .collect()
}

/// The frame of each present anonymous page of a process, by its address.
///
/// # Panics
/// If /proc cannot be read.
#[must_use]
pub fn anonymous_frames(pid: u32) -> BTreeMap<u64, u64> {
    let maps = fs::read(format!("/proc/{pid}/maps")).expect("maps can be read");
    let pagemap = File::open(format!("/proc/{pid}/pagemap")).expect("pagemap can be read");
    let text = String::from_utf8_lossy(&maps);
    // The last page of the address space has no entries.
    let mappings = text.lines().filter(|line| !line.contains("[vsyscall]"));
    let pages = mappings.filter_map(bounds).flat_map(|(start, end)| {
        let addresses = (start..end).step_by(usize::try_from(PAGE).expect("a page fits"));
        addresses.zip(entries(&pagemap, start, end))
    });
    pages
        .filter(|(_, entry)| entry & (PRESENT | FILE) == PRESENT)
        .map(|(address, entry)| (address, entry & FRAME))
        .collect()
}

/// Present anonymous pages of a process.
///
/// # Panics
/// If /proc cannot be read.
#[must_use]
pub fn anonymous_pages(pid: u32) -> u64 {
    anonymous_frames(pid).len() as u64
}

/// The frames of a process that has answered and waits, or is about to wait.
///
/// # Panics
/// If it does not come to rest.
#[must_use]
pub fn settled(pid: u32) -> BTreeMap<u64, Frames> {
    for _ in 0..200 {
        let before = frames(pid);
        thread::sleep(Duration::from_millis(50));
        if changed(&before, &frames(pid)) == 0 {
            return before;
        }
    }
    panic!("{pid} goes on copying");
}

/// Pages that were present and are now in another frame.
#[must_use]
pub fn changed(before: &BTreeMap<u64, Frames>, after: &BTreeMap<u64, Frames>) -> u64 {
    before.values().map(|mapping| mapping.changed(after)).sum()
}

fn writable_mapping(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once(' ')?;
    let perms = rest.as_bytes().get(..4)?;
    (perms[1] == b'w' && perms[3] == b'p').then_some(bounds(line)?)
}

/// First address of a line of maps, and the one after the last.
fn bounds(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}

fn read(pagemap: &File, start: u64, end: u64) -> Vec<u64> {
    let frame = |entry: &u64| match entry & PRESENT {
        0 => 0,
        _ => entry & FRAME,
    };
    entries(pagemap, start, end).iter().map(frame).collect()
}

/// What pagemap has about each page.
fn entries(pagemap: &File, start: u64, end: u64) -> Vec<u64> {
    let mut bytes = vec![0; usize::try_from((end - start) / PAGE * 8).expect("a mapping fits")];
    pagemap
        .read_exact_at(&mut bytes, start / PAGE * 8)
        .expect("pagemap has every page");
    let entry = |word: &[u8]| u64::from_ne_bytes(word.try_into().expect("eight bytes"));
    bytes.chunks_exact(8).map(entry).collect()
}

impl Frames {
    /// Address after the last page.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.frames.len() as u64 * PAGE
    }

    /// Pages of this mapping that were present and are in another frame in `later`.
    #[must_use]
    pub fn changed(&self, later: &BTreeMap<u64, Frames>) -> u64 {
        let now = |address: u64| {
            let (_, mapping) = later.range(..=address).next_back()?;
            mapping
                .frames
                .get(usize::try_from((address - mapping.start) / PAGE).ok()?)
                .copied()
        };
        let pages = self
            .frames
            .iter()
            .enumerate()
            .filter(|(_, frame)| **frame != 0);
        pages
            .filter(|(index, frame)| {
                now(self.start + *index as u64 * PAGE)
                    .is_some_and(|later| later != 0 && later != **frame)
            })
            .count() as u64
    }
}

/// Pages of the whole machine that the kernel has moved to other frames, without a copy on write.
#[must_use]
pub fn pages_moved() -> u64 {
    let counters = fs::read_to_string("/proc/vmstat").expect("the kernel's counters");
    let moved = counters
        .lines()
        .find_map(|line| line.strip_prefix("pgmigrate_success "));
    // A kernel that cannot move pages has no such counter.
    moved.map_or(0, |pages| pages.parse().expect("a number"))
}
