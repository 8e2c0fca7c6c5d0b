//! Whatever is written is read back; everything else is refused.

use std::{fs, path::Path};

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::{
    report::{self, Extent},
    run::{Run, Snapshot, SnapshotScope, agreement::agreeing, arbitrary},
    scratch::Scratch,
    terminal::Style,
};

fn recorded(scratch: &Scratch, name: &str, run: &Run) -> std::path::PathBuf {
    let path = scratch.path(name);
    let writer = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
    writer.finish(run).unwrap();
    path
}

fn finished(mut run: Run) -> Run {
    run.head.unfinished = false;
    run
}

/// Every report of a run: whatever was read can be rendered.
fn rendered(run: &Run) -> usize {
    let mut out = Vec::new();
    let style = Style {
        width: 80,
        color: false,
    };
    for extent in [Extent::Full, Extent::Short(None)] {
        report::run_as_text(run, extent, style, &mut out).unwrap();
    }
    report::run_as_json(run, report::Histogram::Whole, &mut out).unwrap();
    report::run_as_csv(run, &mut out).unwrap();
    out.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_reads_back_as_it_was_written(run in arbitrary::run()) {
        let scratch = Scratch::new("round");
        let run = finished(run);
        let path = recorded(&scratch, "run.cow", &run);
        prop_assert_eq!(read_recording(&path).unwrap(), run);
        prop_assert_eq!(scratch.names(), ["run.cow"]);
    }

    #[test]
    fn a_run_that_becomes_another_reads_back_as_the_last(
        runs in prop::collection::vec(arbitrary::run(), 2..4)
    ) {
        let scratch = Scratch::new("flushes");
        let path = scratch.path("run.cow");
        // A run's id never changes.
        let mut runs = runs;
        for run in &mut runs {
            run.head.id = "r".into();
        }
        let mut writer = RecordingWriter::create(&path, false, &runs[0]).unwrap();
        for run in &mut runs[1..] {
            let snapshot = Snapshot { run: run.clone(), scope: SnapshotScope::default() };
            writer.write(&snapshot).unwrap();
            run.head.unfinished = true;
            prop_assert_eq!(&read_recording(&path).unwrap(), &*run);
        }
    }

    #[test]
    fn what_a_snapshot_leaves_out_stays_as_it_was(
        (before, after) in (arbitrary::run(), arbitrary::run()), told in any::<u8>()
    ) {
        let scratch = Scratch::new("partial");
        let path = scratch.path("run.cow");
        let mut whole = after;
        whole.head.id = before.head.id.clone();
        whole.head.unfinished = true;
        whole.memory.processes = before.memory.processes.clone();
        whole.memory.command_lines = before.memory.command_lines.clone();
        whole.memory.uncounted = before.memory.uncounted.clone();
        whole.who_holds = before.who_holds.clone();
        whole.growth = before.growth.clone();
        whole.machine.kills = before.machine.kills.clone();
        let last_ns = before.memory.timeline.samples.last().map_or(0, |sample| sample.at_ns);
        for sample in &mut whole.memory.timeline.samples {
            sample.at_ns += last_ns;
        }
        let is_told = |process: &u32| told >> (process % 8) & 1 == 1;
        let ids = whole.memory.processes.iter().map(|process| process.id);
        let rows_of: std::collections::HashSet<u32> = ids.filter(is_told).collect();
        // Rows that the snapshot leaves out are as before; only those that it contains can be of
        // the later run.
        let known: Vec<u32> = whole.memory.processes.iter().map(|process| process.id).collect();
        whole.memory.rows.retain(|row| rows_of.contains(&row.process_id) && known.contains(&row.process_id));
        let mut snapshot = Snapshot {
            scope: SnapshotScope {
                rows_of: Some(rows_of.clone()),
                samples_before: before.memory.timeline.samples.len(),
                without_writers: true,
            without_holders: false,
            },
            run: whole.clone(),
        };
        whole.memory.rows.extend(before.memory.rows.iter().filter(|row| !rows_of.contains(&row.process_id)).cloned());
        whole.memory.rows.sort_by_key(crate::run::Row::place);
        whole.memory.timeline.samples.splice(0..0, before.memory.timeline.samples.iter().cloned());
        whole.who_wrote.writers.clone_from(&before.who_wrote.writers);
        whole.who_wrote.python_frames.clone_from(&before.who_wrote.python_frames);
        whole.who_wrote.python_stacks.clone_from(&before.who_wrote.python_stacks);
        whole.who_wrote.native_frames.clone_from(&before.who_wrote.native_frames);
        whole.who_wrote.native_stacks.clone_from(&before.who_wrote.native_stacks);
        whole.memory.regions.clone_from(&before.memory.regions);
        let whole = agreeing(whole);
        snapshot.run.head.duration_ns = whole.head.duration_ns;
        snapshot.run.memory.processes.clone_from(&whole.memory.processes);
        snapshot.run.memory.regions.clone_from(&whole.memory.regions);
        let told_rows = whole.memory.rows.iter().filter(|row| rows_of.contains(&row.process_id));
        snapshot.run.memory.rows = told_rows.cloned().collect();
        snapshot.run.who_wrote.writers.clear();
        let mut writer = RecordingWriter::create(&path, false, &before).unwrap();
        writer.write(&snapshot).unwrap();
        prop_assert_eq!(read_recording(&path).unwrap(), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Random bytes anywhere, most of them in the first page, where they matter most.
    #[test]
    fn a_damaged_file_is_an_error_or_a_run(
        edits in prop::collection::vec((prop_oneof![any::<usize>(), 0..4096usize], any::<u8>()), 1..24),
        length in prop::option::weighted(0.2, any::<usize>()),
    ) {
        let scratch = Scratch::new("damaged");
        let mut bytes = whole_file().to_vec();
        for (place, byte) in edits {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length % bytes.len());
        }
        let path = scratch.path("run.cow");
        fs::write(&path, bytes).unwrap();
        if let Ok(run) = read_recording(&path) {
            prop_assert!(rendered(&run) > 0);
        }
    }

    /// Random values in a valid database.
    #[test]
    fn a_forged_value_is_an_error_or_a_run(
        column in any::<prop::sample::Index>(),
        row in any::<u8>(),
        value in prop_oneof![
            any::<i64>().prop_map(rusqlite::types::Value::Integer),
            (-2..3i64).prop_map(rusqlite::types::Value::Integer),
            any::<f64>().prop_map(rusqlite::types::Value::Real),
            ".{0,20}".prop_map(rusqlite::types::Value::Text),
            any::<Vec<u8>>().prop_map(rusqlite::types::Value::Blob),
        ],
    ) {
        let scratch = Scratch::new("forged");
        let path = scratch.path("run.cow");
        fs::write(&path, whole_file()).unwrap();
        let db = Connection::open(&path).unwrap();
        let columns = columns(&db);
        let (table, column) = &columns[column.index(columns.len())];
        let order = if table == "run" { "id" } else { "1" };
        let keys: Vec<String> = {
            let key = format!("SELECT quote({column}) FROM {table} ORDER BY {order}");
            let mut keys = db.prepare(&key).unwrap();
            keys.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let Some(key) = keys.get(usize::from(row) % keys.len().max(1)) else { return Ok(()) };
        let update = format!("UPDATE OR IGNORE {table} SET {column} = ? WHERE quote({column}) = ?");
        let _ = db.execute(&update, rusqlite::params![value, key]);
        drop(db);
        if let Ok(run) = read_recording(&path) {
            prop_assert!(rendered(&run) > 0);
        }
    }
}

fn columns(db: &Connection) -> Vec<(String, String)> {
    let mut columns = db
        .prepare(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c
             WHERE m.type = 'table'",
        )
        .unwrap();
    let rows = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// A recording with rows in every table, made once.
fn whole_file() -> &'static [u8] {
    use std::sync::OnceLock;
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut run: Run =
            serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
        // More rows than fit into one page.
        for number in 0..2_000 {
            let row = run.memory.rows[0].clone();
            run.memory.rows.push(crate::run::Row {
                start: Some(0x1000_0000 + number * run.memory.range_bytes),
                ..row
            });
        }
        run.memory.rows.sort_by_key(crate::run::Row::place);
        let run = agreeing(run);
        let scratch = Scratch::new("whole");
        let path = recorded(&scratch, "run.cow", &run);
        assert_eq!(read_recording(&path).unwrap(), run);
        fs::read(path).unwrap()
    })
}

#[track_caller]
fn refused(path: &Path, says: &str) {
    let error = read_recording(path).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn what_is_no_recording_is_called_so() {
    let scratch = Scratch::new("foreign");
    refused(&scratch.path("missing"), "No such file");
    refused(scratch.folder(), "it is a folder; name a recording");
    refused(Path::new("/dev/zero"), "not a cowtrace recording");
    let path = scratch.path("other");
    fs::write(&path, "").unwrap();
    refused(&path, "it is empty");
    fs::write(&path, "{\"schema\": \"cowtrace.report/1\"}").unwrap();
    refused(&path, "not a cowtrace recording");
    fs::write(&path, b"SQLite format 3\0").unwrap();
    refused(&path, "not a cowtrace recording");
    fs::remove_file(&path).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE run (id TEXT)").unwrap();
    refused(&path, "not a cowtrace recording");
}

#[test]
fn counts_that_do_not_add_up_are_refused() {
    let scratch = Scratch::new("sums");
    for (table, column) in [
        ("holders", "copied_pages"),
        ("holder_types", "copied_pages"),
        ("holder_sharers", "copied_pages"),
        ("heap_walks", "asked_pages"),
        ("heap_walks", "held_pages"),
        ("heap_walks", "by_page"),
    ] {
        let path = scratch.path(&format!("{table}-{column}.cow"));
        fs::write(&path, whole_file()).unwrap();
        let db = Connection::open(&path).unwrap();
        let update = format!("UPDATE {table} SET {column} = {}", i64::MAX);
        assert!(db.execute(&update, []).unwrap() > 0, "{update}");
        drop(db);
        refused(&path, "more pages than there can be");
    }
}

#[test]
fn a_newer_recording_is_told_by_its_version() {
    let scratch = Scratch::new("newer");
    let path = recorded(&scratch, "run.cow", &arbitrary::empty());
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 2).unwrap();
    refused(&path, "a newer cowtrace wrote it (format version 2)");
}

#[test]
fn a_table_that_is_another_is_refused_before_it_is_read() {
    let scratch = Scratch::new("views");
    let endless = "CREATE VIEW ranges AS WITH RECURSIVE n(i) AS
                   (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let virtual_table = "CREATE VIRTUAL TABLE ranges USING fts5(a)";
    let other = "CREATE TABLE ranges (id INTEGER PRIMARY KEY, process_id TEXT)";
    for (number, sql) in [endless, virtual_table, other].into_iter().enumerate() {
        let path = recorded(&scratch, &number.to_string(), &arbitrary::empty());
        let db = Connection::open(&path).unwrap();
        db.execute_batch("DROP TABLE ranges").unwrap();
        if db.execute_batch(sql).is_ok() {
            refused(
                &path,
                "damaged: the table ranges is not as cowtrace creates it",
            );
        }
    }
}

#[test]
fn what_people_add_to_a_recording_does_not_matter() {
    let scratch = Scratch::new("added");
    let path = recorded(&scratch, "run.cow", &arbitrary::empty());
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE INDEX by_process ON ranges (process_id); CREATE TABLE notes (text TEXT);
         CREATE VIEW mine AS SELECT 1; ANALYZE",
    )
    .unwrap();
    assert_eq!(read_recording(&path).unwrap(), arbitrary::empty());
}

#[test]
fn a_recording_that_contradicts_itself_is_refused() {
    let scratch = Scratch::new("contradicts");
    let run: Run =
        serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
    for (number, (change, says)) in [
        (
            "UPDATE processes SET anon = anon + 1 WHERE id = 1",
            "it contradicts itself: process 1 copied ",
        ),
        // Another source, the same sum.
        (
            "UPDATE processes SET anon = anon - 1, zero = zero + 1 WHERE id = 1",
            "it contradicts itself: process 1 copied ",
        ),
        (
            "UPDATE regions SET copied_pages = copied_pages - 1 WHERE copied_pages > 0",
            "it contradicts itself: region ",
        ),
        (
            "UPDATE regions SET unshared_pages = 0 WHERE unshared_pages > 0",
            "it contradicts itself: region ",
        ),
        (
            "DELETE FROM ranges WHERE id = (SELECT max(id) FROM ranges WHERE anon > 0)",
            "it contradicts itself: process ",
        ),
        (
            "DELETE FROM writers; UPDATE writers SET region_id = NULL;
             DELETE FROM regions WHERE copied_pages > 0",
            "it contradicts itself: there are copies in a region that does not exist",
        ),
        (
            "UPDATE timeline SET copied_pages = 1 WHERE id = (SELECT max(id) FROM timeline)",
            "the processes had copied more than all together",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        for is_finished in [true, false] {
            let path = recorded(&scratch, &format!("{number}{is_finished}"), &run);
            let db = Connection::open(&path).unwrap();
            db.execute("UPDATE run SET finished = ?", [is_finished])
                .unwrap();
            assert!(read_recording(&path).is_ok());
            db.execute_batch(change).unwrap();
            refused(&path, says);
        }
    }
}

#[test]
fn times_and_parents_that_cannot_be_are_refused() {
    let scratch = Scratch::new("times");
    let run: Run =
        serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
    for (number, (change, says)) in [
        (
            "UPDATE processes SET started_ns = 2, exited_ns = 1 WHERE id = 2",
            "process 2 ended before it began",
        ),
        (
            "UPDATE processes SET exited_ns = 9e18 WHERE id = 2",
            "process 2 has times after the end of the run",
        ),
        (
            "UPDATE processes SET started_ns = 9e18, exited_ns = NULL WHERE id = 2",
            "process 2 has times after the end of the run",
        ),
        (
            "UPDATE processes SET parent_id = 2 WHERE id = 1",
            "process 1 is older than its parent",
        ),
        (
            "UPDATE processes SET parent_id = 1 WHERE id = 1",
            "process 1 is older than its parent",
        ),
        (
            "UPDATE timeline SET at_ns = 9e18 WHERE id = (SELECT max(id) FROM timeline)",
            "timeline: the sample at 9000000000000000000 ns is after the end of the run",
        ),
        (
            "UPDATE timeline SET at_ns = 1 WHERE id = (SELECT max(id) FROM timeline)",
            "timeline: the sample at 1 ns is out of order",
        ),
        (
            "UPDATE run SET started_at = 'yesterday'",
            "run.started_at is no date by RFC 3339",
        ),
        (
            "UPDATE run SET started_at = '2026-13-01T00:00:00Z'",
            "run.started_at is no date by RFC 3339",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = recorded(&scratch, &number.to_string(), &run);
        assert!(read_recording(&path).is_ok());
        let db = Connection::open(&path).unwrap();
        db.execute_batch(&change.replace("9e18", "9000000000000000000"))
            .unwrap();
        refused(&path, says);
    }
}

#[test]
fn an_exit_that_was_noticed_while_the_hooks_went_off_is_believed() {
    let scratch = Scratch::new("late");
    let mut run: Run =
        serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
    run.memory.processes[1].exited_ns = Some(run.head.duration_ns + 3_000_000_000);
    let path = recorded(&scratch, "run.cow", &run);
    assert_eq!(read_recording(&path).unwrap(), run);
}

#[test]
fn a_recording_under_way_is_read_as_unfinished() {
    let scratch = Scratch::new("unfinished");
    let path = scratch.path("run.cow");
    let _writer = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
    assert!(read_recording(&path).unwrap().head.unfinished);
}

#[test]
fn what_lies_where_the_journal_would_is_refused() {
    let scratch = Scratch::new("companions");
    let path = scratch.path("run.cow");
    fs::write(scratch.path("run.cow-journal"), "something").unwrap();
    let refused = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap_err();
    assert!(
        refused.to_string().contains("--force removes it"),
        "{refused}"
    );
    RecordingWriter::create(&path, true, &arbitrary::empty())
        .unwrap()
        .finish(&arbitrary::empty())
        .unwrap();
    assert_eq!(scratch.names(), ["run.cow"]);
}
