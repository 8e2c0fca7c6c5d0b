//! What the lookup of holders sees of the other parts of a trace.

use super::{
    keepers::{Keeper, keepers_of},
    samples::ObjectSamples,
};
use crate::{
    collect::{
        processes::{inheritance::Inheritance, record::Record, records::Records},
        writers::WriterEvidence,
    },
    memory,
    probe::Tables,
    writer::Objects,
};

/// The other parts of a trace, to look things up in.
#[derive(Clone, Copy)]
pub(in crate::collect) struct TraceView<'a> {
    pub(in crate::collect) records: &'a Records,
    pub(in crate::collect) tables: &'a Tables,
    pub(in crate::collect) evidence: &'a WriterEvidence,
}

impl TraceView<'_> {
    /// Living processes that still have an inheritance, in the order in which to read them.
    pub(super) fn keepers_of(
        self,
        inheritance: Inheritance,
        samples: &ObjectSamples,
    ) -> Vec<Keeper> {
        let written = |record: &Record| record.pages_written(self.tables);
        let kept = |record: &Record| {
            let read = |at, to: &mut [u8]| memory::read_target(record.pid, at, to);
            let part = samples.kept_part(inheritance, read);
            log::debug!(
                "process {} still has {part:?} of {inheritance:?}",
                record.pid
            );
            part
        };
        keepers_of(self.records, inheritance, written, kept)
    }

    /// How to walk the objects of an inheritance; none if its process runs no supported CPython.
    pub(super) fn objects_of(self, inheritance: Inheritance) -> Option<Objects> {
        let program = self.records.program_of(inheritance.process);
        self.evidence.objects(program)
    }
}
