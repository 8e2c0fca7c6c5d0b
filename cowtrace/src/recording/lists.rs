//! Small tables, which are updated by comparing all their rows.

use rusqlite::Connection;

use super::{
    exits::VictimRow,
    sync::{HeldRows, sync_list, sync_table},
    tables::{LabelRow, Lost, RejectedRow, TargetRow, UnseenRow},
};
use crate::run::{
    Balance, Exit, FirstTouches, GrownHeap, GrownType, GrownVariable, HeldBefore, Loss,
    PerfMapProblem, Process, Region, Run,
};

/// The rows that these tables hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    targets: HeldRows,
    labels: HeldRows,
    unseen: HeldRows,
    rejected: HeldRows,
    loss: HeldRows,
    processes: HeldRows,
    exits: HeldRows,
    victims: HeldRows,
    regions: HeldRows,
    perf_map_problems: HeldRows,
    first_touches: HeldRows,
    held_before: HeldRows,
    balances: HeldRows,
    grown_heaps: HeldRows,
    grown_types: HeldRows,
    grown_variables: HeldRows,
}

impl Lists {
    /// Updates them.
    pub(super) fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let pairs = |(one, two): (&String, &String)| (one.clone(), two.clone());
        let lost = Loss::CAUSES.iter().map(|cause| (cause.count)(&run.loss));
        Ok(Self {
            targets: sync_list(
                db,
                &self.targets,
                run.head.targets.iter().map(|&it| TargetRow(it)),
            )?,
            labels: sync_list(
                db,
                &self.labels,
                run.head
                    .labels
                    .iter()
                    .map(pairs)
                    .map(|(key, value)| LabelRow(key, value)),
            )?,
            unseen: sync_list(
                db,
                &self.unseen,
                run.head.unseen.iter().cloned().map(UnseenRow),
            )?,
            rejected: sync_list(
                db,
                &self.rejected,
                run.head
                    .rejected
                    .iter()
                    .cloned()
                    .map(|(backend, reason)| RejectedRow(backend, reason)),
            )?,
            loss: sync_list(
                db,
                &self.loss,
                lost.enumerate().map(|(cause, count)| Lost(cause, count)),
            )?,
            processes: sync_table::<Process, _>(
                db,
                &self.processes,
                run.memory.processes.iter().map(|it| (u64::from(it.id), it)),
            )?,
            exits: sync_table::<Exit, _>(
                db,
                &self.exits,
                run.memory
                    .processes
                    .iter()
                    .filter_map(|it| Some((u64::from(it.id), it.exit?))),
            )?,
            victims: sync_table::<VictimRow, _>(
                db,
                &self.victims,
                run.memory
                    .processes
                    .iter()
                    .filter(|it| it.exit.is_some_and(|exit| exit.out_of_memory))
                    .map(|it| (u64::from(it.id), VictimRow)),
            )?,
            regions: sync_table::<Region, _>(
                db,
                &self.regions,
                run.memory.regions.iter().map(|it| (u64::from(it.id), it)),
            )?,
            perf_map_problems: sync_list::<PerfMapProblem, _>(
                db,
                &self.perf_map_problems,
                &run.who_wrote.perf_map_problems,
            )?,
            first_touches: sync_list::<FirstTouches, _>(
                db,
                &self.first_touches,
                &run.growth.first_touches,
            )?,
            held_before: sync_list::<HeldBefore, _>(
                db,
                &self.held_before,
                &run.growth.held_before,
            )?,
            balances: sync_list::<Balance, _>(db, &self.balances, &run.growth.balances)?,
            grown_heaps: sync_list::<GrownHeap, _>(db, &self.grown_heaps, &run.growth.grown.heaps)?,
            grown_types: sync_list::<GrownType, _>(db, &self.grown_types, &run.growth.grown.types)?,
            grown_variables: sync_list::<GrownVariable, _>(
                db,
                &self.grown_variables,
                &run.growth.grown.variables,
            )?,
        })
    }
}
