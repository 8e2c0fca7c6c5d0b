//! Reading a file that anybody may have made. It is opened read-only and must be an intact database
//! with exactly cowtrace's tables; then every value is checked.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::{
    by_whom::{Inlined, OfNative, OfPython, StoreRow, distribute_stores, stacks_of_frames},
    check::check_run,
    columns::{ColumnReader, Damage},
    exits, journal,
    machine::ElsewhereRow,
    migrate,
    read_error::ReadError,
    rows::{read_list, read_rows, rows_without_keys},
    savings::{distribute_freezes, distribute_reading, distribute_savings},
    schema,
    sync::distribute_parts,
    tables::{LabelRow, Lost, RejectedRow, Stored, TargetRow, UnseenRow},
    targets::{ProcessTarget, distribute_targets},
    timeline::{
        HeldChange, SampleChange, SampleTouches, TouchChange, spread_copied, spread_held,
        spread_touched,
    },
};
use crate::run::{
    Balance, CommandLine, Exit, FirstTouches, FreeMemory, Grower, GrownHeap, GrownProcess,
    GrownType, GrownVariable, Head, HeldBefore, Host, Loss, Machine, MachineReading, MemoryKill,
    PerfMapProblem, PlaceOnMachine, Process, ReadingReach, Row, Run, Sample, Saving, StrippedFile,
    TracedTarget, UnnamedFunction, UntracedDonor,
};

/// Most bytes of a text or a row: labels may be as long as the kernel lets arguments be
/// (`MAX_ARG_STRLEN`, 128 KiB).
const MAX_BYTES: i32 = 256 << 10;
/// How long to wait for a trace that is writing the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first bytes of every SQLite database (<https://sqlite.org/fileformat.html>).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Where the application's number is in a database's first bytes
/// (<https://sqlite.org/fileformat.html#the_database_header>).
const APPLICATION: std::ops::Range<usize> = 68..72;

/// Whether a file begins as a recording does, from where it is to be read next.
pub fn begins_as_recording(file: &mut impl io::Read) -> io::Result<bool> {
    let mut start = Vec::new();
    file.take(APPLICATION.end as u64).read_to_end(&mut start)?;
    let application = start.get(APPLICATION);
    Ok(start.starts_with(MAGIC)
        && application == Some(schema::APPLICATION_ID.to_be_bytes().as_slice()))
}

/// Reads the run in a file.
pub fn read_recording(path: &Path) -> Result<Run, ReadError> {
    look_at(path)?;
    // Absolute, because some relative names mean something else to SQLite, such as `file:` and
    // `:memory:`.
    let db = open_recording(&fs::canonicalize(path)?)?;
    let transaction = db.unchecked_transaction()?;
    from_database(&transaction)
}

/// The run in a database, if that is a recording; within a transaction.
pub(super) fn from_database(db: &Connection) -> Result<Run, ReadError> {
    let header = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if header("application_id")? != schema::APPLICATION_ID {
        return Err(ReadError::Foreign);
    }
    migrate::check_version(header("user_version")?)?;
    check_tables(db)?;
    let run = read_run(db)?;
    check_run(&run)?;
    Ok(run)
}

/// Checks that need no SQLite and give better messages.
fn look_at(path: &Path) -> Result<(), ReadError> {
    // Before opening: opening a pipe may wait forever for the other end.
    let there = fs::metadata(path)?;
    if there.is_dir() {
        return Err(ReadError::Folder);
    }
    if !there.is_file() {
        return Err(ReadError::Foreign);
    }
    let mut start = Vec::new();
    File::open(path)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)?;
    match start.as_slice() {
        [] => Err(ReadError::Empty),
        start if start == MAGIC => Ok(()),
        _ => Err(ReadError::Foreign),
    }
}

fn open_recording(path: &Path) -> Result<Connection, ReadError> {
    let db = connect_to_read(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match first_look(&db) {
        Err(error) if journal::is_needed(&error) => {}
        looked => return looked.map(|()| db).map_err(ReadError::from),
    }
    drop(db);
    journal::check_journal(path)?;
    let writing = connect_to_read(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    first_look(&writing).map_err(journal::playback_failure)?;
    drop(writing);
    Ok(connect_to_read(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// The first read of a file, which plays back its journal.
fn first_look(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

pub(super) fn connect_to_read(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(PATIENCE)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_BYTES)?;
    db.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;")?;
    Ok(db)
}

/// Whether the tables are those of cowtrace and their pages are intact: otherwise reading all rows
/// of a table may never end.
fn check_tables(db: &Connection) -> Result<(), ReadError> {
    let own = Connection::open_in_memory()?;
    schema::create_schema(&own)?;
    let there = schema::existing_tables(db)?;
    for expected in schema::existing_tables(&own)? {
        let table = &expected.0;
        if !is_there(&there, table) && schema::LATER.contains(&table.as_str()) {
            continue;
        }
        if !there.contains(&expected) {
            return Err(Damage(format!("the table {table} is not as cowtrace creates it")).into());
        }
        let check = format!("PRAGMA quick_check({table})");
        let found: String = db.query_row(&check, [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Damage(format!("the pages of the table {table} are corrupt")).into());
        }
    }
    Ok(())
}

fn is_there(tables: &[(String, String)], table: &str) -> bool {
    tables.iter().any(|(name, _)| name == table)
}

fn read_run(db: &Connection) -> Result<Run, ReadError> {
    let mut run = read_head(db)?;
    let targets = read_list(db)?.into_iter();
    run.head.targets = targets.map(|TargetRow(pid)| pid).collect();
    run.head.labels = read_list(db)?
        .into_iter()
        .map(|LabelRow(key, value)| (key, value))
        .collect();
    run.head.unseen = read_list(db)?
        .into_iter()
        .map(|UnseenRow(what)| what)
        .collect();
    run.head.rejected = read_list(db)?
        .into_iter()
        .map(|RejectedRow(backend, reason)| (backend, reason))
        .collect();
    for Lost(cause, count) in read_list(db)? {
        if let Some(cause) = Loss::CAUSES.get(cause) {
            (cause.set)(&mut run.loss, count);
        }
    }
    run.memory.processes = rows_without_keys(read_rows::<Process>(db)?);
    let there = schema::existing_tables(db)?;
    if is_there(&there, UntracedDonor::TABLE.name) {
        run.head.untraced_donors = read_list(db)?;
    }
    if is_there(&there, Exit::TABLE.name) {
        exits::distribute_exits(read_rows(db)?, &mut run.memory.processes)?;
    }
    if is_there(&there, exits::VictimRow::TABLE.name) {
        exits::mark_victims(read_rows(db)?, &mut run.memory.processes)?;
    }
    if is_there(&there, TracedTarget::TABLE.name) && is_there(&there, ProcessTarget::TABLE.name) {
        run.head.traced_targets = read_list(db)?;
        distribute_targets(read_rows(db)?, &mut run.memory.processes)?;
    }
    if is_there(&there, CommandLine::TABLE.name) {
        run.memory.command_lines = rows_without_keys(read_rows(db)?);
    }
    if is_there(&there, exits::UncountedRow::TABLE.name) {
        let rows = rows_without_keys(read_rows(db)?).into_iter();
        run.memory.uncounted = rows.map(|exits::UncountedRow(id)| id).collect();
    }
    run.memory.regions = rows_without_keys(read_rows(db)?);
    run.memory.rows = rows_without_keys(read_rows::<Row>(db)?);
    run.memory.rows.sort_by_key(Row::place);
    run.who_wrote.writers = read_list(db)?;
    let inlined = read_rows(db)?.into_iter();
    let inlined = inlined.map(|(key, Inlined(function))| (key, function));
    let writers = &mut run.who_wrote.writers;
    distribute_parts(writers, inlined.collect(), |it| &mut it.inlined)?;
    if is_there(&there, StoreRow::TABLE.name) {
        distribute_stores(read_rows(db)?, writers)?;
    }
    run.who_wrote.python_frames = read_list(db)?;
    run.who_wrote.python_stacks = stacks_of_frames::<OfPython>(read_rows(db)?, &read_list(db)?)?;
    run.who_wrote.native_frames = read_list(db)?;
    run.who_wrote.native_stacks = stacks_of_frames::<OfNative>(read_rows(db)?, &read_list(db)?)?;
    if is_there(&there, PerfMapProblem::TABLE.name) {
        run.who_wrote.perf_map_problems = read_list(db)?;
    }
    if is_there(&there, UnnamedFunction::TABLE.name) {
        run.who_wrote.unnamed_functions = read_list(db)?;
    }
    if is_there(&there, StrippedFile::TABLE.name) {
        run.who_wrote.stripped_files = read_list(db)?;
    }
    run.who_holds.holders = read_list(db)?;
    let holders = &mut run.who_holds.holders;
    distribute_parts(holders, read_rows(db)?, |it| &mut it.copied_types)?;
    distribute_parts(holders, read_rows(db)?, |it| &mut it.also_held_by)?;
    run.who_holds.heap_walks = read_list(db)?;
    let walks = &mut run.who_holds.heap_walks;
    if is_there(&there, Saving::TABLE.name) {
        distribute_savings(read_rows(db)?, read_rows(db)?, holders)?;
        distribute_freezes(read_rows(db)?, walks)?;
    }
    if is_there(&there, ReadingReach::TABLE.name) {
        distribute_reading(read_rows(db)?, walks)?;
    }
    if is_there(&there, FreeMemory::TABLE.name) {
        distribute_parts(walks, read_rows(db)?, |walk| &mut walk.free)?;
    }
    run.memory.timeline.samples = read_list::<Sample>(db)?;
    let samples = &mut run.memory.timeline.samples;
    spread_copied(samples, read_rows::<SampleChange>(db)?)?;
    read_growth(db, &there, &mut run)?;
    run.machine = read_machine(db, &there)?;
    Ok(run)
}

/// What memory grew by, of recordings that say so.
fn read_growth(
    db: &Connection,
    there: &[(String, String)],
    run: &mut Run,
) -> Result<(), ReadError> {
    if !is_there(there, FirstTouches::TABLE.name) {
        return Ok(());
    }
    run.growth.first_touches = read_list(db)?;
    if is_there(there, HeldBefore::TABLE.name) {
        run.growth.held_before = read_list(db)?;
    }
    if is_there(there, Balance::TABLE.name) {
        run.growth.balances = read_list(db)?;
    }
    if is_there(there, Grower::TABLE.name) {
        run.growth.growers = read_list(db)?;
    }
    if is_there(there, GrownHeap::TABLE.name) {
        run.growth.grown.heaps = read_list(db)?;
    }
    if is_there(there, GrownType::TABLE.name) {
        run.growth.grown.types = read_list(db)?;
    }
    if is_there(there, GrownVariable::TABLE.name) {
        run.growth.grown.variables = read_list(db)?;
    }
    let samples = &mut run.memory.timeline.samples;
    if is_there(there, SampleTouches::TABLE.name) {
        for (sample, touches) in samples.iter_mut().zip(read_list::<SampleTouches>(db)?) {
            sample.touched_pages = touches.0;
        }
    }
    if is_there(there, HeldChange::TABLE.name) {
        spread_held(samples, read_rows::<HeldChange>(db)?)?;
    }
    if is_there(there, TouchChange::TABLE.name) {
        spread_touched(samples, read_rows::<TouchChange>(db)?)?;
    }
    Ok(())
}

/// The machine, of recordings that say so.
fn read_machine(db: &Connection, there: &[(String, String)]) -> Result<Machine, ReadError> {
    if !is_there(there, MachineReading::TABLE.name) {
        return Ok(Machine::default());
    }
    let mut readings: Vec<MachineReading> = read_list(db)?;
    add_parts(db, there, &mut readings, |it, part| it.sockets = Some(part))?;
    add_parts(db, there, &mut readings, |it, part| it.cgroup = Some(part))?;
    add_parts(db, there, &mut readings, |it, part| it.service = Some(part))?;
    add_parts(db, there, &mut readings, |it, part| it.shared = Some(part))?;
    let mut machine = Machine {
        readings,
        ..Machine::default()
    };
    if is_there(there, MemoryKill::TABLE.name) {
        machine.kills = read_list(db)?;
    }
    if is_there(there, PlaceOnMachine::TABLE.name) {
        machine.place = read_list(db)?.into_iter().next();
    }
    if is_there(there, ElsewhereRow::TABLE.name) && is_there(there, GrownProcess::TABLE.name) {
        let row = read_list::<ElsewhereRow>(db)?.into_iter().next();
        machine.elsewhere = row.map(|ElsewhereRow(all)| all);
        let growers = read_list(db)?;
        if let Some(all) = &mut machine.elsewhere {
            all.growers = growers;
        }
    }
    Ok(machine)
}

/// Adds what was not read at each reading.
fn add_parts<S: Stored>(
    db: &Connection,
    there: &[(String, String)],
    readings: &mut [MachineReading],
    add: impl Fn(&mut MachineReading, S),
) -> Result<(), ReadError> {
    if !is_there(there, S::TABLE.name) {
        return Ok(());
    }
    for (key, part) in read_rows(db)? {
        let place = usize::try_from(key).ok();
        let Some(reading) = place.and_then(|place| readings.get_mut(place)) else {
            return Err(Damage(format!("{}: one of no reading", S::TABLE.name)).into());
        };
        add(reading, part);
    }
    Ok(())
}

/// The row of the table `run`.
fn read_head(db: &Connection) -> Result<Run, ReadError> {
    let mut statement = db.prepare(
        "SELECT id, finished, tool_version, started_at, duration_ns, backend, kernel, arch,
         page_bytes, cpus, range_bytes, timeline_interval_ns FROM run",
    )?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Err(Damage("the table run is empty".into()).into());
    };
    let mut columns = ColumnReader::new("run", row);
    let id = columns.text()?;
    let unfinished = !columns.flag()?;
    let (tool_version, started_at) = (columns.text()?, columns.text()?);
    let (duration_ns, backend) = (columns.count()?, columns.text()?);
    let host = Host {
        kernel: columns.text()?,
        arch: columns.text()?,
        page_bytes: columns.count()?,
        cpus: columns.id()? as usize,
    };
    let head = Head {
        tool_version,
        host,
        id,
        started_at,
        duration_ns,
        unfinished,
        backend,
        ..Head::default()
    };
    let run = Run::new(head, columns.count()?, columns.count()?);
    if rows.next()?.is_some() {
        return Err(Damage("the table run has several rows".into()).into());
    }
    Ok(run)
}
