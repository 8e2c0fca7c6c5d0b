//! The tables and views of a recording, and how to recognize a file as one.

use rusqlite::{Connection, Result};

/// The id of a recording, for SQLite and for `file`: `cowt`.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"cowt");

/// The version of the tables written by this program.
pub const VERSION: i32 = 1;

/// Tables that were added later: files without them are read as if they were empty.
pub(super) const LATER: [&str; 35] = [
    "balances",
    "command_lines",
    "exits",
    "first_touches",
    "freeze_savings",
    "growers",
    "grown_heaps",
    "grown_types",
    "grown_variables",
    "heap_walk_free",
    "held_before",
    "holder_neighbours",
    "holder_savings",
    "machine",
    "machine_cgroup",
    "machine_elsewhere",
    "machine_growers",
    "machine_place",
    "machine_service",
    "machine_service_shared",
    "machine_sockets",
    "memory_kills",
    "oom_victims",
    "perf_map_problems",
    "process_targets",
    "reading_reach",
    "stripped_files",
    "timeline_held",
    "timeline_touched",
    "timeline_touches",
    "traced_targets",
    "uncounted",
    "unnamed_functions",
    "untraced_donors",
    "writer_stores",
];

const TABLES: &str = include_str!("schema.sql");

/// Creates the tables and views in an empty database.
pub(super) fn create_schema(db: &Connection) -> Result<()> {
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "user_version", VERSION)?;
    db.execute_batch(TABLES)
}

/// Names of all tables, and their definitions.
pub(super) fn existing_tables(db: &Connection) -> Result<Vec<(String, String)>> {
    let mut tables = db.prepare(
        "SELECT name, coalesce(sql, '') FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name",
    )?;
    let rows = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            by_whom::{Inlined, OfNative, OfPython, StackKind as _, StoreRow},
            exits::{UncountedRow, VictimRow},
            machine::ElsewhereRow,
            tables::{LabelRow, Lost, RejectedRow, Stored, TableDefinition, TargetRow, UnseenRow},
            targets::ProcessTarget,
            timeline::{HeldChange, SampleChange, SampleTouches, TouchChange},
        },
        *,
    };
    use crate::run::{
        AlsoHeld, Balance, CgroupMemory, CommandLine, CopiedType, Exit, FirstTouches, FreeMemory,
        FreezeSaving, Grower, GrownHeap, GrownProcess, GrownType, GrownVariable, HeapWalk,
        HeldBefore, Holder, MachineReading, MemoryKill, NativeFrame, PageNeighbour, PerfMapProblem,
        PlaceOnMachine, Process, PythonFrame, ReadingReach, Region, Row, Sample, Saving,
        ServiceAside, ServiceShared, SocketMemory, StrippedFile, TracedTarget, UnnamedFunction,
        UntracedDonor, Writer,
    };

    #[test]
    fn every_table_but_the_runs_own_has_the_columns_that_are_written() {
        const STORED: [TableDefinition; 57] = [
            TargetRow::TABLE,
            UntracedDonor::TABLE,
            TracedTarget::TABLE,
            ProcessTarget::TABLE,
            LabelRow::TABLE,
            UnseenRow::TABLE,
            RejectedRow::TABLE,
            Lost::TABLE,
            Process::TABLE,
            Exit::TABLE,
            CommandLine::TABLE,
            VictimRow::TABLE,
            UncountedRow::TABLE,
            Region::TABLE,
            Row::TABLE,
            Writer::TABLE,
            StoreRow::TABLE,
            PythonFrame::TABLE,
            NativeFrame::TABLE,
            Inlined::TABLE,
            OfPython::STACKS,
            OfPython::ENDS,
            OfNative::STACKS,
            OfNative::ENDS,
            Sample::TABLE,
            SampleChange::TABLE,
            SampleTouches::TABLE,
            HeldChange::TABLE,
            TouchChange::TABLE,
            FirstTouches::TABLE,
            HeldBefore::TABLE,
            Grower::TABLE,
            Balance::TABLE,
            MachineReading::TABLE,
            SocketMemory::TABLE,
            CgroupMemory::TABLE,
            ServiceAside::TABLE,
            ServiceShared::TABLE,
            MemoryKill::TABLE,
            PlaceOnMachine::TABLE,
            ElsewhereRow::TABLE,
            GrownProcess::TABLE,
            GrownHeap::TABLE,
            GrownType::TABLE,
            GrownVariable::TABLE,
            Holder::TABLE,
            CopiedType::TABLE,
            AlsoHeld::TABLE,
            Saving::TABLE,
            FreezeSaving::TABLE,
            ReadingReach::TABLE,
            PageNeighbour::TABLE,
            HeapWalk::TABLE,
            FreeMemory::TABLE,
            PerfMapProblem::TABLE,
            UnnamedFunction::TABLE,
            StrippedFile::TABLE,
        ];
        let db = Connection::open_in_memory().unwrap();
        create_schema(&db).unwrap();
        let mut names: Vec<String> = existing_tables(&db)
            .unwrap()
            .into_iter()
            .map(|it| it.0)
            .collect();
        names.retain(|name| name != "run");
        let mut stored: Vec<&str> = STORED.iter().map(|table| table.name).collect();
        stored.sort_unstable();
        assert_eq!(names, stored);
        for table in STORED {
            let mut columns = db.prepare("SELECT name FROM pragma_table_info(?)").unwrap();
            let columns: Vec<String> = columns
                .query_map([table.name], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let written: Vec<&str> = table.key.iter().chain(table.columns).copied().collect();
            assert_eq!(columns, written, "{}", table.name);
        }
    }

    #[test]
    fn every_view_can_be_asked() {
        let db = Connection::open_in_memory().unwrap();
        create_schema(&db).unwrap();
        let mut views = db
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")
            .unwrap();
        let views: Vec<String> = views
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(views.len(), 5);
        for view in views {
            let count = format!("SELECT count(*) FROM {view}");
            let rows: i64 = db.query_row(&count, [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 0, "{view}");
        }
    }
}
