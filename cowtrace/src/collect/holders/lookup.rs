//! The lookup of the variables that hold copied memory: collects the copied addresses, and walks the objects
//! of the processes while the trace runs and at its end.

use super::{
    at_end::LastWalks, copies::CopiedAddresses, early::EarlyWalks, samples::ObjectSamples,
    view::TraceView,
};
use crate::{
    collect::{
        clock::Clock,
        processes::{inheritance::Inheritance, records::Records},
        writers::PythonCopy,
    },
    memory,
    probe::Tables,
    run::{Loss, WhoHolds},
    stop::Stop,
};

/// Which variables hold copied memory, as far as is known.
pub(in crate::collect) struct HolderLookup {
    /// Whether holders are looked up at all.
    is_on: bool,
    clock: Clock,
    copies: CopiedAddresses,
    samples: ObjectSamples,
    early: EarlyWalks,
}

impl HolderLookup {
    pub(in crate::collect) fn new(is_on: bool, clock: Clock) -> Self {
        Self {
            is_on,
            clock,
            copies: CopiedAddresses::default(),
            samples: ObjectSamples::default(),
            early: EarlyWalks::default(),
        }
    }

    /// Keeps the address of a copy, and maybe the object there as a sample.
    pub(in crate::collect) fn keep(&mut self, copy: &PythonCopy<'_>, records: &Records) {
        if !self.is_on {
            return;
        }
        let evidence = copy.evidence;
        let slot = evidence.core.slot();
        let Some(inheritance) = records.inheritance_of(slot) else {
            self.copies.dropped += evidence.pages();
            return;
        };
        let address = evidence.core.address;
        let is_kept = self.copies.add(inheritance, address, evidence.pages());
        // What the owner itself writes is what it changes.
        let record = records.written_in_slot(slot);
        let is_heirs = record.is_some_and(|record| record.inheritance == Some(inheritance));
        if let Some(type_address) = copy.type_address.filter(|_| is_kept && is_heirs) {
            let count = || {
                let (program, pid) = (copy.program, copy.pid);
                copy.writers.words_of_objects(program, type_address, pid)
            };
            let read = |at, to: &mut [u8]| memory::read_target(copy.pid, at, to);
            self.samples
                .offer(inheritance, evidence, type_address, count, read);
        }
    }

    /// Notes that a process forks and passes pages on; returns what its child inherits. If that is
    /// another inheritance than before, requests a walk of the previous one: it is there only as long as
    /// its heirs.
    pub(in crate::collect) fn pass_on(
        &mut self,
        process: u32,
        pages: u64,
        records: &mut Records,
        tables: &Tables,
    ) -> Inheritance {
        let record = records.get(process);
        let written = record.map_or(0, |record| record.pages_written(tables));
        let pid = record.map(|record| record.pid);
        let kept = |inheritance| {
            let read = |at, to: &mut [u8]| pid.is_some_and(|pid| memory::read_target(pid, at, to));
            self.samples.kept_part(inheritance, read)
        };
        let (inheritance, is_other) = records.pass_on(process, written, pages, kept);
        if is_other {
            self.early.request(Inheritance {
                generation: inheritance.generation - 1,
                ..inheritance
            });
        }
        inheritance
    }

    /// Notes that a process has exited, and what it had inherited.
    pub(in crate::collect) fn note_exit(&mut self, inheritance: Option<Inheritance>) {
        self.early.note_exit(inheritance);
    }

    /// Has processes walked from time to time: they may end by themselves.
    pub(in crate::collect) fn walk_regularly(&mut self) {
        self.early.begin_regularly();
    }

    /// Begins the next walk that is worth it, unless one is running.
    pub(in crate::collect) fn walk_early(&mut self, view: TraceView<'_>) {
        let now_ns = self.clock.elapsed_ns();
        self.early
            .begin_next(&self.copies, &self.samples, view, now_ns);
    }

    /// What the walks so far found, unless that is what those found of which there were `seen`; and their number.
    pub(in crate::collect) fn so_far(
        &self,
        seen: Option<u64>,
        records: &Records,
    ) -> (Option<WhoHolds>, u64) {
        let kept = self.early.kept();
        let is_new = seen != Some(kept);
        (is_new.then(|| self.early.so_far(records)), kept)
    }

    /// Finds the variables at the end of the trace, until somebody wants no more; no copies are left.
    pub(in crate::collect) fn find(
        &mut self,
        view: TraceView<'_>,
        loss: &mut Loss,
        stop: Stop,
    ) -> WhoHolds {
        let copies = std::mem::take(&mut self.copies);
        loss.addresses_full += copies.dropped;
        LastWalks::new(&self.samples, &mut self.early, view, stop).find(copies)
    }
}
