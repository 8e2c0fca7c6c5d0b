//! The end of a trace: what is read once more, and the run that comes of it.

use super::{
    super::assemble::{
        snapshot::SnapshotFor,
        whole::{FinalParts, RunIdentity, all_losses, complete_run},
    },
    Collector, TraceView,
};
use crate::{
    probe::RangeCount,
    run::{Run, Sample},
    stop::Stop,
};

impl Collector {
    /// Takes the hooks off and gives everything that was observed. `stop` ends the search for variables. `meanwhile` gets
    /// the run as it is before memory is searched: its counts are final.
    #[must_use]
    pub fn finish(
        mut self,
        identity: RunIdentity,
        stop: Stop,
        meanwhile: Option<&mut dyn FnMut(&Run)>,
    ) -> Run {
        let skipped = self.probe.detach();
        // The trace ends here, however long the rest takes.
        let duration_ns = self.clock.elapsed_ns();
        // What the service keeps from here on is not of this trace.
        self.processes.read_held(usize::MAX, &self.probe.tables);
        let proc_root = self.processes.proc_root().to_owned();
        let machine = self
            .machine
            .finish(self.processes.records(), &proc_root, duration_ns);
        self.probe.flush_log();
        let open = self.probe.tables.drain_threads();
        self.take_rest();
        if let Some(meanwhile) = meanwhile {
            meanwhile(&self.counted(identity.clone(), duration_ns));
        }
        let records = self.processes.records();
        self.allocators.look_at_end(records, &proc_root);
        let view = TraceView {
            records,
            tables: &self.probe.tables,
            evidence: &self.evidence,
        };
        let who_holds = self.holders.find(view, &mut self.loss, stop);
        let root = self.processes.proc_root();
        let grown = self.new_pages.find(records, &self.evidence, root);
        let named = self.evidence.name(records);
        self.loss.code_gone = named.code_gone;
        self.processes.add_overflow(&self.probe.tables);
        let last = self.processes.sample(&self.probe.tables);
        self.timeline.finish(Sample {
            at_ns: duration_ns,
            ..last
        });
        self.count_all(open);
        self.allocators.finish(self.mappings.regions_mut());
        let mut run = self.new_run(identity, duration_ns);
        run.loss = all_losses(&self.loss, &self.probe, skipped);
        run.machine = machine;
        run.machine.kills = self.machine.kills(self.processes.records());
        let records = self.processes.records();
        let balances =
            self.balances
                .finish(records, &proc_root, &self.timeline, self.clock, duration_ns);
        let parts = FinalParts {
            records: self.processes.into_records(),
            regions: self.mappings.into_regions(),
            timeline: self.timeline,
            named,
            who_holds,
            balances,
            grown,
        };
        complete_run(run, parts, &proc_root)
    }

    /// The run once the hooks are off, with what is known of it.
    fn counted(&mut self, identity: RunIdentity, at_ns: u64) -> Run {
        self.forget_snapshots(SnapshotFor::Watch);
        let mut run = self.snapshot(identity, SnapshotFor::Watch).run;
        let last = self.processes.sample(&self.probe.tables);
        let samples = &mut run.memory.timeline.samples;
        samples.push(Sample { at_ns, ..last });
        run
    }

    /// Reads the mappings and the counts of all who live, with those of faults that were not done.
    fn count_all(&mut self, open: Vec<(u32, RangeCount)>) {
        self.mappings.read_all(self.processes.records_mut());
        let regions = self.mappings.regions_mut();
        self.processes
            .count_live(&self.probe, open, regions, &mut self.loss);
    }

    /// Takes in what the kernel side sent before the hooks went off.
    fn take_rest(&mut self) {
        let unsent = self.probe.tables.drain_evidence();
        let own_names = self.processes.read_names(usize::MAX);
        self.take_evidence();
        self.follow_or_warn();
        self.processes.take_names(own_names);
        if self.processes.notes_dropped(&self.probe) {
            self.processes.find_lost(&self.probe.tables, true);
        }
        self.take_evidence();
        self.take(&unsent);
    }
}
