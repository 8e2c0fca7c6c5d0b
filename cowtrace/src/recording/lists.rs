//! Small tables, which are updated by comparing all their rows.

use rusqlite::Connection;

use super::{
    exits::VictimRow,
    machine::ElsewhereRow,
    sync::{HeldRows, sync_list, sync_table},
    tables::{LabelRow, Lost, RejectedRow, TargetRow, UnseenRow},
};
use crate::run::{
    Balance, CgroupMemory, CommandLine, Exit, FirstTouches, GrownHeap, GrownProcess, GrownType,
    GrownVariable, HeldBefore, Loss, MachineReading, MemoryKill, PerfMapProblem, PlaceOnMachine,
    Process, Region, Run, ServiceAside, ServiceShared, SocketMemory, StrippedFile, UnnamedFunction,
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
    command_lines: HeldRows,
    victims: HeldRows,
    regions: HeldRows,
    perf_map_problems: HeldRows,
    unnamed: UnnamedLists,
    first_touches: HeldRows,
    held_before: HeldRows,
    balances: HeldRows,
    machine: MachineLists,
    grown_heaps: HeldRows,
    grown_types: HeldRows,
    grown_variables: HeldRows,
}

/// Those of code without names.
#[derive(Clone, Debug, Default)]
struct UnnamedLists {
    functions: HeldRows,
    files: HeldRows,
}

impl UnnamedLists {
    fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let who = &run.who_wrote;
        Ok(Self {
            functions: sync_list::<UnnamedFunction, _>(
                db,
                &self.functions,
                &who.unnamed_functions,
            )?,
            files: sync_list::<StrippedFile, _>(db, &self.files, &who.stripped_files)?,
        })
    }
}

/// Those of the machine.
#[derive(Clone, Debug, Default)]
struct MachineLists {
    readings: HeldRows,
    sockets: HeldRows,
    cgroup: HeldRows,
    service: HeldRows,
    shared: HeldRows,
    kills: HeldRows,
    place: HeldRows,
    elsewhere: HeldRows,
    growers: HeldRows,
}

impl MachineLists {
    fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let machine = &run.machine;
        let readings = || (0..).zip(&machine.readings);
        let growers = machine.elsewhere.iter().flat_map(|it| &it.growers);
        let all = machine.elsewhere.iter().cloned().map(ElsewhereRow);
        Ok(Self {
            readings: sync_list::<MachineReading, _>(db, &self.readings, &machine.readings)?,
            sockets: sync_table::<SocketMemory, _>(
                db,
                &self.sockets,
                readings().filter_map(|(at, it)| Some((at, it.sockets?))),
            )?,
            cgroup: sync_table::<CgroupMemory, _>(
                db,
                &self.cgroup,
                readings().filter_map(|(at, it)| Some((at, it.cgroup?))),
            )?,
            service: sync_table::<ServiceAside, _>(
                db,
                &self.service,
                readings().filter_map(|(at, it)| Some((at, it.service?))),
            )?,
            shared: sync_table::<ServiceShared, _>(
                db,
                &self.shared,
                readings().filter_map(|(at, it)| Some((at, it.shared?))),
            )?,
            kills: sync_list::<MemoryKill, _>(db, &self.kills, &machine.kills)?,
            place: sync_list::<PlaceOnMachine, _>(db, &self.place, &machine.place)?,
            elsewhere: sync_list(db, &self.elsewhere, all)?,
            growers: sync_list::<GrownProcess, _>(db, &self.growers, growers)?,
        })
    }
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
            command_lines: sync_table::<CommandLine, _>(
                db,
                &self.command_lines,
                run.memory
                    .command_lines
                    .iter()
                    .map(|it| (u64::from(it.process_id), it)),
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
            unnamed: self.unnamed.sync(db, run)?,
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
            machine: self.machine.sync(db, run)?,
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
