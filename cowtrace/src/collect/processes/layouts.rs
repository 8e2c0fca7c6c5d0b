//! A parent's mappings at the moment of a fork, read again only when they changed.
//!
//! /proc/PID/maps is cheap and read at each fork. Counting present pages walks the page tables, 20 to 60
//! ms of this program's time a gigabyte: those of mappings that are new are counted, and those of all
//! only when the process has other anonymous memory than its mappings are known to have.

use std::{
    collections::HashMap,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

use super::attribution::{MappingLayout, RegionTable};
use crate::{
    memory::{self, LinkedProgram},
    probe::Tables,
    run::Mapping,
};

/// Forks share one count of pages if they follow within this time, or within this many times the time
/// that it took: counting takes at most a tenth of a processor.
const FRESH: Duration = Duration::from_millis(100);
const FRESH_PER_COST: u32 = 9;

/// The mappings of each process as they were last read.
pub(in crate::collect) struct Layouts {
    proc_root: PathBuf,
    page_bytes: u64,
    known: HashMap<u32, KnownLayout>,
    /// Programs that were started by a link; `None` for those that were not.
    linked: HashMap<u32, Option<LinkedProgram>>,
}

/// The mappings of a process, with the text that they were read from.
struct KnownLayout {
    text: Vec<u8>,
    counted: PageCount,
    layout: Rc<MappingLayout>,
}

/// Mappings as they were read.
struct ReadMappings {
    all: Vec<Mapping>,
    /// Whether their present pages could be counted.
    are_counted: bool,
}

/// The last count of all pages.
#[derive(Clone, Copy)]
struct PageCount {
    /// Anonymous pages that the process had besides those counted: what the kernel's counter of a process
    /// includes and its mappings do not.
    besides: i64,
    at: Instant,
    /// Processor time.
    took: Duration,
}

impl Layouts {
    pub(in crate::collect) fn new(proc_root: PathBuf, page_bytes: u64) -> Self {
        Self {
            proc_root,
            page_bytes,
            known: HashMap::new(),
            linked: HashMap::new(),
        }
    }

    /// The mappings of a process as they are now, or as they were last if it is gone. None, too, if
    /// they are not wanted any more: of tens of thousands, each step here takes 15 to 40 ms.
    pub(in crate::collect) fn of(
        &mut self,
        id: u32,
        pid: u32,
        regions: &mut RegionTable,
        tables: &Tables,
        is_over: impl Fn() -> bool,
    ) -> Option<Rc<MappingLayout>> {
        if is_over() {
            return None;
        }
        let text = memory::read_layout_text(&self.proc_root, pid).unwrap_or_default();
        if text.is_empty() {
            return self.known.get(&id).map(|known| known.layout.clone());
        }
        let anonymous_pages = memory::anonymous_pages(&self.proc_root, pid);
        let before = self.known.get(&id);
        if let Some(known) = before
            && known.text == text
            && known
                .counted
                .is_good_for(pages_of(known.layout.mappings()), anonymous_pages)
        {
            return Some(known.layout.clone());
        }
        if is_over() {
            return None;
        }
        let linked = || LinkedProgram::of(&self.proc_root, pid);
        let linked = self.linked.entry(id).or_insert_with(linked).clone();
        let read = |before: Option<&MappingLayout>| {
            self.read(pid, &text, linked.as_ref(), before, &is_over)
        };
        let with_new_ones = |known: &KnownLayout| {
            let mappings = read(Some(known.layout.as_ref()))?;
            let pages = pages_of(&mappings.all);
            let is_good = known.counted.is_good_for(pages, anonymous_pages);
            is_good.then_some((mappings, known.counted))
        };
        let with_all = || {
            let begun = own_time();
            let mappings = read(None)?;
            let counted = PageCount::of(pages_of(&mappings.all), anonymous_pages, begun);
            Some((mappings, counted))
        };
        let (mappings, counted) = before.and_then(with_new_ones).or_else(with_all)?;
        if is_over() {
            return None;
        }
        split(&mappings.all, tables);
        let layout = regions.layout(id, mappings.all, mappings.are_counted);
        let known = KnownLayout {
            text,
            counted,
            layout: layout.clone(),
        };
        self.known.insert(id, known);
        Some(layout)
    }

    /// The mappings of process `id` as its child `pid` has copied them.
    pub(in crate::collect) fn of_copy(
        &mut self,
        id: u32,
        pid: u32,
        regions: &mut RegionTable,
        tables: &Tables,
    ) -> Option<Rc<MappingLayout>> {
        let text = memory::read_layout_text(&self.proc_root, pid).ok()?;
        let linked = self.linked.get(&id).and_then(Option::as_ref);
        let mappings = self.read(pid, &text, linked, None, || false)?;
        split(&mappings.all, tables);
        Some(regions.layout(id, mappings.all, mappings.are_counted))
    }

    pub(in crate::collect) fn forget(&mut self, id: u32) {
        self.known.remove(&id);
        self.linked.remove(&id);
    }

    /// Splits the ranges across a process's mappings as they are now.
    pub(in crate::collect) fn split(&self, pid: u32, tables: &Tables) {
        let text = memory::read_layout_text(&self.proc_root, pid).unwrap_or_default();
        split(&memory::read_mappings(&text).unwrap_or_default(), tables);
    }

    /// The mappings in the text of maps, with present pages. Mappings of `before` keep the number
    /// that they had.
    fn read(
        &self,
        pid: u32,
        text: &[u8],
        linked: Option<&LinkedProgram>,
        before: Option<&MappingLayout>,
        is_over: impl Fn() -> bool,
    ) -> Option<ReadMappings> {
        let mut mappings = memory::read_mappings(text).ok()?;
        memory::name_unnamed(&mut mappings);
        if let Some(linked) = linked {
            linked.rename(&mut mappings);
        }
        if mappings.is_empty() || is_over() {
            return None;
        }
        let mut known = before
            .into_iter()
            .flat_map(MappingLayout::mappings)
            .peekable();
        let mut new = Vec::new();
        for (at, mapping) in mappings.iter_mut().enumerate() {
            while known.next_if(|it| it.start < mapping.start).is_some() {}
            match known.peek() {
                Some(same) if same.is_same(mapping) => mapping.clone_from(same),
                _ if mapping.is_copy_on_write() => new.push(at),
                _ => {}
            }
        }
        let were_counted = before.is_none_or(MappingLayout::is_counted);
        let are_counted = were_counted
            & memory::count_pages(&self.proc_root, pid, self.page_bytes, &mut mappings, &new);
        Some(ReadMappings {
            all: mappings,
            are_counted,
        })
    }
}

/// Processor time of this thread.
fn own_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.map_or(Duration::ZERO, Duration::from)
}

/// Only what can be copied matters: two such mappings in one range.
fn split(mappings: &[Mapping], tables: &Tables) {
    for mapping in mappings.iter().filter(|mapping| mapping.is_copy_on_write()) {
        tables.split_at_boundary(mapping.start);
        tables.split_at_boundary(mapping.end);
    }
}

impl PageCount {
    fn of(pages: u64, anonymous_pages: u64, begun: Duration) -> Self {
        Self {
            besides: anonymous_pages.cast_signed() - pages.cast_signed(),
            at: Instant::now(),
            took: own_time().saturating_sub(begun),
        }
    }

    /// Whether the pages known of mappings make up the anonymous memory of a process, or all of it was counted not
    /// long ago.
    fn is_good_for(&self, pages: u64, anonymous_pages: u64) -> bool {
        let expected = pages.saturating_add_signed(self.besides);
        expected.abs_diff(anonymous_pages) <= anonymous_pages / 64
            || self.at.elapsed() < FRESH.max(self.took * FRESH_PER_COST)
    }
}

/// The anonymous pages that mappings are known to have.
fn pages_of<'a>(mappings: impl IntoIterator<Item = &'a Mapping>) -> u64 {
    let pages = mappings.into_iter().map(|mapping| mapping.anonymous_pages);
    pages.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pages_are_counted_again_where_known_mappings_have_changed() {
        // Two hundred pages more are of mappings that nobody inherits.
        let mut counted = PageCount::of(6_400, 6_600, own_time());
        assert!(counted.is_good_for(6_400, 1));
        counted.at = Instant::now().checked_sub(FRESH * 2).unwrap();
        assert!(counted.is_good_for(6_400, 6_600));
        // A new mapping, counted by itself, explains what there is more; one that is gone, what there is less.
        assert!(counted.is_good_for(9_400, 9_600));
        assert!(counted.is_good_for(400, 600));
        // The kernel's counters lag by some pages.
        assert!(counted.is_good_for(6_400, 6_650));
        assert!(!counted.is_good_for(6_400, 6_710));
        assert!(!counted.is_good_for(9_400, 9_100));
    }
}
