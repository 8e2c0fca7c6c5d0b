//! Small tables, which are updated by comparing all their rows.

use rusqlite::Connection;

use super::{
    exits::{UncountedRow, VictimRow},
    machine::ElsewhereRow,
    sync::{HeldRows, sync_list, sync_table},
    tables::{LabelRow, Lost, RejectedRow, TargetRow, UnseenRow},
    targets::{ProcessTarget, rows_of_targets},
};
use crate::run::{
    Balance, CgroupMemory, CommandLine, Exit, FirstTouches, GrownHeap, GrownProcess, GrownType,
    GrownVariable, HeldBefore, Loss, MachineReading, MemoryKill, PerfMapProblem, PlaceOnMachine,
    Process, Region, Run, ServiceAside, ServiceShared, SocketMemory, StrippedFile, TracedTarget,
    UnnamedFunction, UntracedDonor,
};

/// The rows that these tables hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    head: HeadLists,
    processes: HeldRows,
    process_targets: HeldRows,
    exits: HeldRows,
    command_lines: HeldRows,
    victims: HeldRows,
    uncounted: HeldRows,
    regions: HeldRows,
    naming: NamingLists,
    growth: GrowthLists,
    machine: MachineLists,
}

/// Those of the trace as a whole.
#[derive(Clone, Debug, Default)]
struct HeadLists {
    targets: HeldRows,
    donors: HeldRows,
    traced_targets: HeldRows,
    labels: HeldRows,
    unseen: HeldRows,
    rejected: HeldRows,
    loss: HeldRows,
}

/// Those about names of functions.
#[derive(Clone, Debug, Default)]
struct NamingLists {
    perf_map_problems: HeldRows,
    unnamed_functions: HeldRows,
    stripped_files: HeldRows,
}

/// Those of what grew.
#[derive(Clone, Debug, Default)]
struct GrowthLists {
    first_touches: HeldRows,
    held_before: HeldRows,
    balances: HeldRows,
    heaps: HeldRows,
    types: HeldRows,
    variables: HeldRows,
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

impl HeadLists {
    fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let head = &run.head;
        let targets = head.targets.iter().map(|&it| TargetRow(it));
        let labels = head.labels.iter();
        let labels = labels.map(|(key, value)| LabelRow(key.clone(), value.clone()));
        let unseen = head.unseen.iter().cloned().map(UnseenRow);
        let rejected = head.rejected.iter().cloned();
        let rejected = rejected.map(|(backend, reason)| RejectedRow(backend, reason));
        let lost = Loss::CAUSES.iter().map(|cause| (cause.count)(&run.loss));
        let lost = lost.enumerate().map(|(cause, count)| Lost(cause, count));
        Ok(Self {
            targets: sync_list(db, &self.targets, targets)?,
            donors: sync_list::<UntracedDonor, _>(db, &self.donors, &head.untraced_donors)?,
            traced_targets: sync_list::<TracedTarget, _>(
                db,
                &self.traced_targets,
                &head.traced_targets,
            )?,
            labels: sync_list(db, &self.labels, labels)?,
            unseen: sync_list(db, &self.unseen, unseen)?,
            rejected: sync_list(db, &self.rejected, rejected)?,
            loss: sync_list(db, &self.loss, lost)?,
        })
    }
}

impl NamingLists {
    fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let who = &run.who_wrote;
        let [problems, functions, files] = [
            &self.perf_map_problems,
            &self.unnamed_functions,
            &self.stripped_files,
        ];
        Ok(Self {
            perf_map_problems: sync_list::<PerfMapProblem, _>(
                db,
                problems,
                &who.perf_map_problems,
            )?,
            unnamed_functions: sync_list::<UnnamedFunction, _>(
                db,
                functions,
                &who.unnamed_functions,
            )?,
            stripped_files: sync_list::<StrippedFile, _>(db, files, &who.stripped_files)?,
        })
    }
}

impl GrowthLists {
    fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let growth = &run.growth;
        let grown = &growth.grown;
        Ok(Self {
            first_touches: sync_list::<FirstTouches, _>(
                db,
                &self.first_touches,
                &growth.first_touches,
            )?,
            held_before: sync_list::<HeldBefore, _>(db, &self.held_before, &growth.held_before)?,
            balances: sync_list::<Balance, _>(db, &self.balances, &growth.balances)?,
            heaps: sync_list::<GrownHeap, _>(db, &self.heaps, &grown.heaps)?,
            types: sync_list::<GrownType, _>(db, &self.types, &grown.types)?,
            variables: sync_list::<GrownVariable, _>(db, &self.variables, &grown.variables)?,
        })
    }
}

impl Lists {
    /// Updates them.
    pub(super) fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let processes = || run.memory.processes.iter();
        let lines = run.memory.command_lines.iter();
        Ok(Self {
            head: self.head.sync(db, run)?,
            processes: sync_table::<Process, _>(
                db,
                &self.processes,
                processes().map(|it| (u64::from(it.id), it)),
            )?,
            process_targets: sync_table::<ProcessTarget, _>(
                db,
                &self.process_targets,
                rows_of_targets(&run.memory.processes),
            )?,
            exits: sync_table::<Exit, _>(
                db,
                &self.exits,
                processes().filter_map(|it| Some((u64::from(it.id), it.exit?))),
            )?,
            command_lines: sync_table::<CommandLine, _>(
                db,
                &self.command_lines,
                lines.map(|it| (u64::from(it.process_id), it)),
            )?,
            victims: sync_table::<VictimRow, _>(
                db,
                &self.victims,
                processes()
                    .filter(|it| it.exit.is_some_and(|exit| exit.out_of_memory))
                    .map(|it| (u64::from(it.id), VictimRow)),
            )?,
            uncounted: sync_table::<UncountedRow, _>(
                db,
                &self.uncounted,
                run.memory
                    .uncounted
                    .iter()
                    .map(|id| (u64::from(*id), UncountedRow(*id))),
            )?,
            regions: sync_table::<Region, _>(
                db,
                &self.regions,
                run.memory.regions.iter().map(|it| (u64::from(it.id), it)),
            )?,
            naming: self.naming.sync(db, run)?,
            growth: self.growth.sync(db, run)?,
            machine: self.machine.sync(db, run)?,
        })
    }
}
