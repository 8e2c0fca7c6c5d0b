//! The mappings of the traced processes: read at each fork and now and then in between, and the regions
//! that copies are counted in.

use std::{path::PathBuf, rc::Rc};

use super::{
    attribution::{MappingLayout, RegionTable},
    layouts::Layouts,
    record::Record,
    records::Records,
};
use crate::{
    memory,
    probe::Tables,
    run::{Loss, Role},
    stop::Stop,
};

/// Live processes whose mappings are read again at one tick, in turn, and mappings after which no other
/// follows: bounds a tick's cost.
const PROCESSES_PER_TICK: usize = 8;
const MAPPINGS_PER_TICK: usize = 16_384;

/// Mappings by process, and the regions of the run.
pub(in crate::collect) struct Mappings {
    proc_root: PathBuf,
    layouts: Layouts,
    regions: RegionTable,
    /// Whose mappings are read at the next tick, by its place among the living.
    next: usize,
}

impl Mappings {
    pub(in crate::collect) fn new(proc_root: PathBuf, page_bytes: u64) -> Self {
        Self {
            layouts: Layouts::new(proc_root.clone(), page_bytes),
            regions: RegionTable::default(),
            proc_root,
            next: 0,
        }
    }

    /// The regions that were found so far.
    pub(in crate::collect) const fn regions(&self) -> &RegionTable {
        &self.regions
    }

    /// The same, to count copies in them.
    pub(in crate::collect) const fn regions_mut(&mut self) -> &mut RegionTable {
        &mut self.regions
    }

    /// The regions at the end.
    pub(in crate::collect) fn into_regions(self) -> RegionTable {
        self.regions
    }

    /// What a child inherits from its parent, a record and a pid; none if it is not known, which is
    /// counted under loss. `handed_down` is what the parent has inherited itself.
    pub(in crate::collect) fn at_fork(
        &mut self,
        parent: Option<(u32, u32)>,
        handed_down: Option<&MappingLayout>,
        child: u32,
        tables: &Tables,
        loss: &mut Loss,
    ) -> Option<Rc<MappingLayout>> {
        let layout = parent.and_then(|(id, pid)| {
            let regions = &mut self.regions;
            let is_counted = |layout: &Rc<MappingLayout>| layout.is_counted();
            let of_parent = self.layouts.of(id, pid, regions, tables, || false);
            if of_parent.as_ref().is_some_and(is_counted) {
                return of_parent;
            }
            // The parent is gone already, or went while it was read: the child's mappings are a copy of its.
            let of_child = self.layouts.of_copy(id, child, regions, tables);
            if of_child.as_ref().is_some_and(is_counted) {
                return of_child;
            }
            // Both are gone: the parent was too short-lived to map much of its own.
            let handed_down = handed_down.map(|layout| {
                let mappings = layout.mappings().cloned().collect();
                regions.layout(id, mappings, layout.is_counted())
            });
            let counted = handed_down.clone().filter(is_counted);
            counted.or(of_parent).or(of_child).or(handed_down)
        });
        match &layout {
            Some(layout) => self.regions.inherit(layout),
            None => loss.mappings_missed += 1,
        }
        layout
    }

    /// What a process that is older than the trace passes on; none if the trace is to end.
    pub(in crate::collect) fn before_trace(
        &mut self,
        id: u32,
        pid: u32,
        tables: &Tables,
        stop: &Stop,
    ) -> Option<Rc<MappingLayout>> {
        let regions = &mut self.regions;
        self.layouts.of(id, pid, regions, tables, || stop.is_due())
    }

    /// Notes that a process inherited a layout.
    pub(in crate::collect) fn inherit(&mut self, layout: &MappingLayout) {
        self.regions.inherit(layout);
    }

    /// Notes that a process had inherited a layout only to pass it on.
    pub(in crate::collect) fn disinherit(&mut self, layout: &MappingLayout) {
        self.regions.disinherit(layout);
    }

    /// Forgets what was read of a process that has exited.
    pub(in crate::collect) fn forget(&mut self, id: u32) {
        self.layouts.forget(id);
    }

    /// Has ranges across a process's mappings counted page by page.
    pub(in crate::collect) fn split(&self, pid: u32, tables: &Tables) {
        self.layouts.split(pid, tables);
    }

    /// The same for the masters before their next fork: the children's first faults come sooner than
    /// the fork's event is read.
    pub(in crate::collect) fn split_before_forks(
        &self,
        records: &Records,
        tables: &Tables,
        stop: &Stop,
    ) {
        let is_master = |record: &&Record| record.role == Role::Master;
        for master in records.alive().filter(is_master) {
            if stop.is_due() {
                return;
            }
            self.split(master.pid, tables);
        }
    }

    /// Reads the mappings of some live workers again, so that memory they mapped themselves has a
    /// name even if they exit before the end.
    pub(in crate::collect) fn read_some(&mut self, records: &mut Records, stop: &Stop) {
        let ids: Vec<u32> = records
            .alive()
            .filter(|record| record.totals.copied_pages() > 0)
            .map(|record| record.id)
            .collect();
        let turn = ids.iter().copied().cycle().skip(self.next);
        let (mut processes, mut mappings) = (0, 0);
        for id in turn.take(PROCESSES_PER_TICK.min(ids.len())) {
            // At the end they are read anyway.
            if mappings >= MAPPINGS_PER_TICK || stop.is_due() {
                break;
            }
            processes += 1;
            mappings += records
                .get_mut(id)
                .map_or(0, |record| self.read_current(record));
        }
        self.next = (self.next + processes) % ids.len().max(1);
    }

    /// Reads the mappings of all who live and have counted something: mappings say what was copied, and
    /// of a process that copied nothing they may be many.
    pub(in crate::collect) fn read_all(&self, records: &mut Records) {
        for record in records.alive_mut() {
            if record.totals.copied_pages() + record.totals.reused > 0 {
                self.read_current(record);
            }
        }
    }

    /// Reads a process's mappings; returns their number.
    fn read_current(&self, record: &mut Record) -> usize {
        let text = memory::read_layout_text(&self.proc_root, record.pid).unwrap_or_default();
        let mut mappings = memory::read_mappings(&text).unwrap_or_default();
        memory::name_unnamed(&mut mappings);
        let count = mappings.len();
        if count > 0 {
            record.current = Some(mappings);
        }
        count
    }
}
