//! A donor and its inheritors: their pagemaps, read side by side.

use std::{ops::Range, path::Path};

use super::{
    sample::{Estimate, unit_bytes},
    spans::joined_spans,
};
use crate::memory::{
    pagemap::{ENTRIES, PageEntry, PagemapFile, known_zero_frame},
    process::read_resident,
    scan::scan_anonymous,
    urgent::Urgent,
};
use crate::run::{BalanceIs, PageBalance};

/// Figures of a process: see [`PageIs`].
const FIGURES: usize = 5;
/// Figures of all of them: pages of the donor; frames of others; frames of others where the donor has
/// one.
const OF_FAMILY: usize = 3;
/// A mapping is sparse if less than one of this many pages is present.
const SPARSE: u64 = 4;
/// Most parts between the holes of a sparse mapping that are read one by one.
const PARTS: usize = 65_536;

/// What a page of a process is beside its donor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageIs {
    Shared,
    Unshared,
    New,
    Gone,
    Swapped,
}

/// A donor and some of its inheritors.
pub(super) struct Family {
    page_bytes: u64,
    donor: PagemapFile,
    /// `None` for a process that has ended or may not be read.
    inheritors: Vec<Option<PagemapFile>>,
    /// Anonymous pages of the donor and of the inheritor with most.
    anonymous: u64,
    /// Frame number of the zero page, if the kernel shows frame numbers.
    zero: Option<u64>,
    /// Whether the kernel shows no frame numbers.
    pub(super) is_coarse: bool,
    urgent: Urgent,
    /// Those of the donor in the piece that is looked at.
    entries: Vec<PageEntry>,
    /// Frames in it that others have and the donor has not, by place.
    apart: Vec<(usize, u64)>,
    /// The figures of a piece: those of each inheritor, then those of all.
    piece: Vec<u64>,
}

impl Family {
    /// Opens their files; none if the donor's cannot be opened.
    pub(super) fn open(
        root: &Path,
        donor: u32,
        inheritors: &[u32],
        page_bytes: u64,
    ) -> Option<Self> {
        let anonymous = |pid| read_resident(root, pid, page_bytes).anonymous;
        let most = inheritors.iter().map(|&pid| anonymous(pid)).max();
        let open = |pid| PagemapFile::open(root, pid, page_bytes).ok();
        Some(Self {
            page_bytes,
            anonymous: anonymous(donor).saturating_add(most.unwrap_or(0)),
            donor: open(donor)?,
            inheritors: inheritors.iter().map(|&pid| open(pid)).collect(),
            zero: known_zero_frame(page_bytes),
            is_coarse: false,
            urgent: Urgent::begin(),
            entries: Vec::with_capacity(ENTRIES),
            apart: Vec::new(),
            piece: vec![0; inheritors.len() * FIGURES + OF_FAMILY],
        })
    }

    /// How many figures a piece has.
    pub(super) fn figures(&self) -> usize {
        self.piece.len()
    }

    /// The balance of an inheritor, by its place.
    pub(super) fn balance(&self, at: usize, estimate: &Estimate) -> PageBalance {
        if self.inheritors[at].is_none() {
            return PageBalance::default();
        }
        let first = at * FIGURES;
        let pages = |is: PageIs| estimate.total(first + is as usize);
        PageBalance {
            is: match (self.is_coarse, estimate.is_sample()) {
                (true, _) => BalanceIs::Coarse,
                (false, true) => BalanceIs::Sampled,
                (false, false) => BalanceIs::Exact,
            },
            shared_pages: pages(PageIs::Shared),
            unshared_pages: pages(PageIs::Unshared),
            new_pages: pages(PageIs::New),
            gone_pages: pages(PageIs::Gone),
            swapped_pages: pages(PageIs::Swapped),
            error_pages: estimate.error(first..first + FIGURES),
        }
    }

    /// Looks at every page of a span; none if the donor has ended.
    pub(super) fn look_at_span(&mut self, span: Range<u64>, estimate: &mut Estimate) -> Option<()> {
        let most = ENTRIES as u64 * self.page_bytes;
        let mut at = span.start;
        while at < span.end {
            let end = span.end.min(at.saturating_add(most));
            self.look_at_unit(at..end, 1, estimate)?;
            at = end;
        }
        Some(())
    }

    /// Looks at the pages of a unit, which stands for so many; none if the donor has ended.
    pub(super) fn look_at_unit(
        &mut self,
        unit: Range<u64>,
        stands_for: u64,
        estimate: &mut Estimate,
    ) -> Option<()> {
        let pages = (unit.end - unit.start) / self.page_bytes;
        self.urgent.pause();
        self.piece.fill(0);
        self.entries.clear();
        self.entries.extend(self.donor.entries(unit.start, pages));
        if self.entries.len() as u64 != pages {
            return None;
        }
        self.apart.clear();
        for at in 0..self.inheritors.len() {
            self.look_at_inheritor(at, unit.start, pages);
        }
        self.count_frames();
        estimate.add(&self.piece, stands_for, pages);
        Some(())
    }

    fn look_at_inheritor(&mut self, at: usize, start: u64, pages: u64) {
        let Some(file) = &mut self.inheritors[at] else {
            return;
        };
        self.urgent.pause();
        let entries = file.entries(start, pages);
        let has_ended = entries.len() as u64 != pages;
        let counts = &mut self.piece[at * FIGURES..][..FIGURES];
        for (place, (own, donor)) in entries.zip(self.entries.iter().copied()).enumerate() {
            let Some(is) = compare_pages(own, donor, self.zero) else {
                continue;
            };
            counts[is as usize] += 1;
            let is_apart = matches!(is, PageIs::Unshared | PageIs::New);
            self.is_coarse |= own.is_present() && own.frame() == 0;
            if is_apart && own.frame() != 0 {
                self.apart.push((place, own.frame()));
            }
        }
        if has_ended {
            self.inheritors[at] = None;
        }
    }

    /// Counts frames of a piece, each once.
    fn count_frames(&mut self) {
        let zero = self.zero;
        let has = |entry: &&PageEntry| entry.is_anonymous(zero);
        let donors = self.entries.iter().filter(has).count();
        self.is_coarse |= self
            .entries
            .iter()
            .filter(has)
            .any(|entry| entry.frame() == 0);
        self.apart.sort_unstable();
        self.apart.dedup();
        let extra = self
            .apart
            .iter()
            .filter(|(place, _)| self.entries[*place].is_anonymous(zero));
        let counts = [donors, self.apart.len(), extra.count()];
        let first = self.piece.len() - OF_FAMILY;
        for (count, found) in self.piece[first..].iter_mut().zip(counts) {
            *count = found as u64;
        }
    }

    /// The spans without what nobody has present, where it is worth it and this kernel can tell (Linux
    /// 6.7): of reserved memory a sample would be of holes.
    pub(super) fn without_holes(&mut self, spans: &[Range<u64>], enough: u64) -> Vec<Range<u64>> {
        let size = |span: &Range<u64>| (span.end - span.start) / self.page_bytes;
        let mut left = spans.iter().map(size).fold(0, u64::saturating_add);
        let enough = enough.max(self.anonymous.saturating_mul(SPARSE));
        let mut by_size: Vec<(u64, &Range<u64>)> = spans.iter().map(|it| (size(it), it)).collect();
        by_size.sort_by_key(|(pages, span)| (std::cmp::Reverse(*pages), span.start));
        let mut found = Vec::new();
        for (pages, span) in by_size {
            let parts = if left > enough {
                self.parts_of(span)
            } else {
                None
            };
            left -= pages;
            match parts {
                Some(parts) => found.extend(parts),
                None => found.push(span.clone()),
            }
        }
        joined_spans(found)
    }

    /// Where somebody has memory in a span, in whole units.
    fn parts_of(&mut self, span: &Range<u64>) -> Option<Vec<Range<u64>>> {
        let unit = unit_bytes(self.page_bytes);
        let mut parts = Vec::new();
        let donor = std::iter::once(&self.donor);
        for file in donor.chain(self.inheritors.iter().flatten()) {
            let found = scan_anonymous(&file.file, span.clone(), unit, PARTS, &mut self.urgent)?;
            parts.extend(found);
            if parts.len() > PARTS {
                parts = joined_spans(parts);
            }
        }
        Some(joined_spans(parts))
    }
}

/// What a page is beside the donor's; none if neither has one.
fn compare_pages(own: PageEntry, donor: PageEntry, zero: Option<u64>) -> Option<PageIs> {
    let is_in_swap = |entry: PageEntry| entry.is_swapped() && !entry.is_of_file();
    if is_in_swap(own) {
        return Some(PageIs::Swapped);
    }
    let (has, donor_has) = (own.is_anonymous(zero), donor.is_anonymous(zero));
    let is_shared = match own.frame() {
        // Not told: pages of several processes are taken for the donor's.
        0 => !own.is_exclusive(),
        frame => frame == donor.frame(),
    };
    match (has, donor_has, is_in_swap(donor)) {
        (true, true, _) if is_shared => Some(PageIs::Shared),
        (true, true, _) | (true, _, true) => Some(PageIs::Unshared),
        (true, false, false) => Some(PageIs::New),
        (false, true, _) | (false, _, true) => Some(PageIs::Gone),
        (false, false, false) => None,
    }
}

impl Estimate {
    /// Pages of the donor; frames of others; of these, those where the donor has one.
    pub(super) fn of_family(&self) -> [u64; OF_FAMILY] {
        let first = self.figure_count() - OF_FAMILY;
        [0, 1, 2].map(|at| self.total(first + at))
    }

    /// How far these may be from the truth.
    pub(super) fn error_of_family(&self) -> u64 {
        let all = self.figure_count();
        self.error(all - OF_FAMILY..all)
    }
}
