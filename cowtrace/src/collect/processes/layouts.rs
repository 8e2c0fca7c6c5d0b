//! A parent's mappings at the moment of a fork, read again only when they changed.
//!
//! /proc/PID/maps is cheap and read at each fork. Counting present pages walks the page tables, 20 to 60
//! ms of this program's time a gigabyte: those of mappings that are new are counted, and those of all
//! when the process's size says that something is different.

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
    /// The last count of all pages.
    counted: PageCount,
    layout: Rc<MappingLayout>,
}

/// A count of all pages.
#[derive(Clone, Copy)]
struct PageCount {
    /// What the process had present before it.
    resident_pages: u64,
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
        let resident_pages = memory::resident_pages(&self.proc_root, pid);
        let before = self.known.get(&id);
        let recent = before.filter(|known| known.counted.is_good_for(resident_pages));
        if let Some(known) = recent
            && known.text == text
        {
            return Some(known.layout.clone());
        }
        if is_over() {
            return None;
        }
        let begun = own_time();
        let same_pages = recent.map(|known| known.layout.as_ref());
        let linked = || LinkedProgram::of(&self.proc_root, pid);
        let linked = self.linked.entry(id).or_insert_with(linked).clone();
        let mappings = self.read(pid, &text, linked.as_ref(), same_pages, &is_over)?;
        let counted = recent.map_or_else(
            || PageCount {
                resident_pages,
                at: Instant::now(),
                took: own_time().saturating_sub(begun),
            },
            |known| known.counted,
        );
        if is_over() {
            return None;
        }
        split(&mappings, tables);
        let layout = regions.layout(id, mappings);
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
        split(&mappings, tables);
        Some(regions.layout(id, mappings))
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
    ) -> Option<Vec<Mapping>> {
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
        memory::count_pages(&self.proc_root, pid, self.page_bytes, &mut mappings, &new);
        Some(mappings)
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
    fn is_good_for(&self, resident_pages: u64) -> bool {
        let same_pages = resident_pages.abs_diff(self.resident_pages) <= self.resident_pages / 64;
        same_pages || self.at.elapsed() < FRESH.max(self.took * FRESH_PER_COST)
    }
}
