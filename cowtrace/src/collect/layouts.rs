//! A parent's mappings at the moment of a fork, read again only when they changed.
//!
//! /proc/PID/maps is cheap and read at each fork; smaps walks the page tables, so it is read only
//! when maps or the process's size say that something is different.

use std::{
    collections::HashMap,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    memory,
    probe::Tables,
    run::{
        Mapping,
        attribution::{Layout, RegionTable},
    },
};

/// Forks that follow within this time share one count of pages.
const FRESH: Duration = Duration::from_millis(100);

pub(super) struct Layouts {
    proc_root: PathBuf,
    page_bytes: u64,
    known: HashMap<u32, Known>,
}

struct Known {
    text: Vec<u8>,
    resident_pages: u64,
    read_at: Instant,
    layout: Rc<Layout>,
}

impl Layouts {
    pub(super) fn new(proc_root: PathBuf, page_bytes: u64) -> Self {
        Self {
            proc_root,
            page_bytes,
            known: HashMap::new(),
        }
    }

    /// The mappings of a process as they are now, or as they were last if it is gone.
    pub(super) fn of(
        &mut self,
        id: u32,
        pid: u32,
        regions: &mut RegionTable,
        tables: &Tables,
    ) -> Option<Rc<Layout>> {
        let text = memory::read_layout_text(&self.proc_root, pid).unwrap_or_default();
        if text.is_empty() {
            return self.known.get(&id).map(|known| known.layout.clone());
        }
        let resident_pages = memory::resident_pages(&self.proc_root, pid);
        if let Some(known) = self.known.get(&id)
            && known.is_good_for(&text, resident_pages)
        {
            return Some(known.layout.clone());
        }
        let layout = self.read(id, pid, regions, tables)?;
        let known = Known {
            text,
            resident_pages,
            read_at: Instant::now(),
            layout: layout.clone(),
        };
        self.known.insert(id, known);
        Some(layout)
    }

    /// The mappings of process `id` as its child `pid` has copied them.
    pub(super) fn of_copy(
        &mut self,
        id: u32,
        pid: u32,
        regions: &mut RegionTable,
        tables: &Tables,
    ) -> Option<Rc<Layout>> {
        self.read(id, pid, regions, tables)
    }

    pub(super) fn forget(&mut self, id: u32) {
        self.known.remove(&id);
    }

    /// Splits the ranges across a process's mappings as they are now.
    pub(super) fn split(&self, pid: u32, tables: &Tables) {
        let text = memory::read_layout_text(&self.proc_root, pid).unwrap_or_default();
        split(
            &memory::read_mappings(&text, self.page_bytes).unwrap_or_default(),
            tables,
        );
    }

    fn read(
        &self,
        id: u32,
        pid: u32,
        regions: &mut RegionTable,
        tables: &Tables,
    ) -> Option<Rc<Layout>> {
        let mappings =
            memory::read_mappings_with_pages(&self.proc_root, pid, self.page_bytes).ok()?;
        if mappings.is_empty() {
            return None;
        }
        split(&mappings, tables);
        Some(regions.layout(id, mappings))
    }
}

/// Only what can be copied matters: two such mappings in one range.
fn split(mappings: &[Mapping], tables: &Tables) {
    for mapping in mappings.iter().filter(|mapping| mapping.is_copy_on_write()) {
        tables.split_at_boundary(mapping.start);
        tables.split_at_boundary(mapping.end);
    }
}

impl Known {
    fn is_good_for(&self, text: &[u8], resident_pages: u64) -> bool {
        let same_pages = resident_pages.abs_diff(self.resident_pages) <= self.resident_pages / 64;
        self.text == text && (same_pages || self.read_at.elapsed() < FRESH)
    }
}
