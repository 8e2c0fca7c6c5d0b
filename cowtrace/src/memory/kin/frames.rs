//! Page frames of the processes of a family, at a bounded sample of addresses: reads some 100 us a process.

use std::{cmp::Reverse, ops::Range, path::Path};

use crate::memory::{
    balance::{
        balance_spans,
        sample::{sampled_units, unit_bytes},
    },
    fields::read_bounded,
    maps::read_mappings,
    page_bytes,
    pagemap::{PageEntry, PagemapFile, known_zero_frame},
    process::{Identity, anonymous_pages},
    urgent::Urgent,
};

/// Processes whose mappings say where to look: those with the most memory, since their heirs have the same.
const GUIDES: usize = 4;
/// Units of 64 KiB that are tried in a guide, and those that are taken, if it shares pages there.
const TRIED: u64 = 256;
const TAKEN: usize = 24;
/// The same for families with more members than [`MANY`].
const TAKEN_OF_MANY: usize = 8;
const MANY: usize = 100;
/// Text of a guide's mappings that is read, bytes: some 10,000 mappings.
const MOST_MAPS: u64 = 1 << 20;
const SEED: u64 = 0x517c_c1b7_2722_0a95;
/// Where no frames are shown: a page that several processes have.
const SHARED: u64 = 1;
/// Marks the frame of a page that no other process has.
pub(super) const ALONE: u64 = 1 << 63;

/// What each process has in each page of the sample.
#[derive(Debug, Default)]
pub(super) struct FrameTable {
    /// By process, then by page: the frame, with [`ALONE`]; 0 if it has no anonymous page there.
    pub(super) rows: Vec<Vec<u64>>,
    /// When each started, clock ticks since boot.
    pub(super) started: Vec<u64>,
}

impl FrameTable {
    /// Reads pages of processes. Those that have ended have none.
    pub(super) fn read(root: &Path, members: &[Identity]) -> Self {
        let pids: Vec<u32> = members.iter().map(|it| it.pid).collect();
        let page_bytes = page_bytes();
        let mut reader = FrameReader {
            root,
            page_bytes,
            zero: known_zero_frame(page_bytes),
            urgent: Urgent::begin(),
        };
        let units = reader.choose_units(&pids);
        let rows = pids.iter().map(|&pid| reader.read_units(pid, &units));
        Self {
            rows: rows.map(Option::unwrap_or_default).collect(),
            started: members.iter().map(|it| it.started_ticks).collect(),
        }
    }
}

struct FrameReader<'a> {
    root: &'a Path,
    page_bytes: u64,
    zero: Option<u64>,
    urgent: Urgent,
}

impl FrameReader<'_> {
    /// Units where processes share memory, by address.
    fn choose_units(&mut self, pids: &[u32]) -> Vec<Range<u64>> {
        let mut guides: Vec<(u64, u32)> = pids
            .iter()
            .map(|&pid| (anonymous_pages(self.root, pid), pid))
            .collect();
        guides.sort_by_key(|(pages, _)| Reverse(*pages));
        let taken = if pids.len() > MANY {
            TAKEN_OF_MANY
        } else {
            TAKEN
        };
        let mut units = Vec::new();
        for (_, pid) in guides.into_iter().take(GUIDES) {
            let found = self.shared_units(pid).unwrap_or_default();
            let step = found.len().div_ceil(taken).max(1);
            units.extend(found.into_iter().step_by(step));
        }
        units.sort_by_key(|unit| unit.start);
        units.dedup_by_key(|unit| unit.start / unit_bytes(self.page_bytes));
        units
    }

    /// Units of a process in which it shares pages; none if it has ended.
    fn shared_units(&mut self, pid: u32) -> Option<Vec<Range<u64>>> {
        let mut text = read_bounded(&self.root.join(format!("{pid}/maps")), MOST_MAPS).ok()?;
        // The last line may be cut off.
        let lines = text.iter().rposition(|&byte| byte == b'\n')?;
        text.truncate(lines);
        let spans = balance_spans(&read_mappings(&text).ok()?);
        let mut file = PagemapFile::open(self.root, pid, self.page_bytes).ok()?;
        let drawn = sampled_units(&spans, self.page_bytes, TRIED, SEED).drawn;
        let mut found = Vec::new();
        for (unit, _) in drawn {
            self.urgent.pause();
            let pages = (unit.end - unit.start) / self.page_bytes;
            let is_shared = |it: PageEntry| it.is_anonymous(self.zero) && !it.is_exclusive();
            if file.entries(unit.start, pages).any(is_shared) {
                found.push(unit);
            }
        }
        Some(found)
    }

    /// What a process has there; none if it has ended.
    fn read_units(&mut self, pid: u32, units: &[Range<u64>]) -> Option<Vec<u64>> {
        let mut file = PagemapFile::open(self.root, pid, self.page_bytes).ok()?;
        let mut row = Vec::new();
        for unit in units {
            self.urgent.pause();
            let pages = (unit.end - unit.start) / self.page_bytes;
            let entries = file.entries(unit.start, pages);
            if entries.len() as u64 != pages {
                return None;
            }
            row.extend(entries.map(|entry| match entry.frame() {
                _ if !entry.is_anonymous(self.zero) => 0,
                frame if entry.is_exclusive() => frame | ALONE,
                0 => SHARED,
                frame => frame,
            }));
        }
        Some(row)
    }
}
