//! The run so far, while it is traced.

use super::{
    super::assemble::{
        snapshot::{SnapshotFor, SoFar},
        whole::{RunIdentity, all_losses, new_run},
    },
    Collector,
};
use crate::run::{Run, Snapshot};

impl Collector {
    /// The run so far, without what earlier snapshots for the same contain and what has not changed since.
    pub fn snapshot(&mut self, identity: RunIdentity, by: SnapshotFor) -> Snapshot {
        self.processes.read_totals(&self.probe.tables);
        let mut run = self.new_run(identity, self.clock.elapsed_ns());
        run.loss = all_losses(&self.loss, &self.probe, self.probe.skipped());
        run.machine = self.machine.so_far();
        run.machine.kills = self.machine.kills(self.processes.records());
        let so_far = SoFar {
            probe: &self.probe,
            records: self.processes.records(),
            regions: self.mappings.regions(),
            timeline: &self.timeline,
            evidence: &self.evidence,
            holders: (by == SnapshotFor::Watch).then_some(&self.holders),
        };
        let mut snapshot = self.snapshots.of(by).next(run, &so_far);
        let records = self.processes.records();
        snapshot.run.growth.balances = self.balances.so_far(records, &self.timeline);
        snapshot
    }

    /// Makes the next snapshot for one a whole one: the last one was lost.
    pub fn forget_snapshots(&mut self, by: SnapshotFor) {
        self.snapshots.of(by).forget();
    }

    pub(super) fn new_run(&self, identity: RunIdentity, duration_ns: u64) -> Run {
        let interval_ns = self.timeline.interval_ns;
        new_run(
            identity,
            &self.kernel,
            &self.probe,
            interval_ns,
            duration_ns,
        )
    }
}
