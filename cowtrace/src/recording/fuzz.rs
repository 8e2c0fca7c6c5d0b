//! Fuzzes recordings: any bytes, and any values in valid tables. A file is either refused, or gives
//! a run from which every report can be made and which can be recorded again.

use std::{fs, sync::OnceLock};

use rusqlite::{Connection, types::Value};

use super::{RecordingWriter, read_recording};
use crate::{
    diff::{self, Measured},
    fuzzing::{Target, Values},
    report::{self, Extent},
    run::Run,
    scratch::Scratch,
    terminal::Style,
};

/// A file of any bytes, with a journal beside it.
pub(crate) const RECORDING: Target = Target {
    name: "recording",
    run: recording,
    seeds: || {
        let journal = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff";
        let [small, whole] = [512, 4096].map(|page| file_of(few(), page));
        vec![
            file_input(&small, &[]),
            file_input(&small, journal),
            file_input(&whole, &[]),
        ]
    },
    max_bytes: 320 << 10,
    memory: |bytes| 256 * bytes + (64 << 20),
};

/// Values in the tables of a recording.
pub(crate) const VALUES: Target = Target {
    name: "values",
    run: any_values,
    seeds: value_seeds,
    max_bytes: 1 << 10,
    memory: |_| 64 << 20,
};

const TEXT: Style = Style {
    width: 80,
    color: false,
};

/// The length of the journal, four bytes; the journal; the file.
fn recording(input: &[u8]) {
    let mut values = Values(input);
    let length = values.half_word() as usize;
    let journal = values.bytes(length.min(64 << 10));
    let scratch = Scratch::new("fuzz");
    let path = scratch.path("run.cow");
    write(&path, values.0);
    if !journal.is_empty() {
        write(&scratch.path("run.cow-journal"), journal);
    }
    match read_recording(&path) {
        Ok(run) => reports(&run),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Edits of a recording's rows: which column of which row, and what to do with it.
fn any_values(input: &[u8]) {
    let scratch = Scratch::new("fuzz");
    let path = scratch.path("run.cow");
    write(&path, template());
    let mut values = Values(input);
    if let Ok(db) = Connection::open(&path) {
        let _ = db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
        let columns = columns(&db);
        while !values.is_empty() {
            edit(&db, &columns, &mut values);
        }
        let _ = db.execute_batch("COMMIT");
    }
    let Ok(run) = read_recording(&path) else {
        return;
    };
    reports(&run);
    record_again(&run, &scratch);
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    if let Err(error) = fs::write(path, bytes) {
        panic!("{}: {error}", path.display());
    }
}

/// A table's name, its key columns, and one of its other columns.
type Column = (String, String, String);

fn edit(db: &Connection, columns: &[Column], values: &mut Values<'_>) {
    let column = usize::from(values.byte()) | usize::from(values.byte()) << 8;
    let Some((table, keys, column)) = columns.get(column % columns.len().max(1)) else {
        return;
    };
    let (row, what) = (values.byte(), values.byte());
    let value = match what % 8 {
        0 => Value::Null,
        1 => Value::Integer(i64::from(values.byte().cast_signed())),
        2 => Value::Integer(values.word().cast_signed()),
        3 => Value::Integer(1 << (values.byte() % 63)),
        4 => Value::Real(f64::from_bits(values.word())),
        5 => Value::Blob(bytes(values).to_vec()),
        _ => Value::Text(String::from_utf8_lossy(bytes(values)).into_owned()),
    };
    let one = format!(
        "SELECT {keys} FROM {table} ORDER BY {keys} LIMIT 1 OFFSET {}",
        row % 16
    );
    let sql = match what / 8 % 4 {
        0 => format!("DELETE FROM {table} WHERE ({keys}) = ({one}) OR {column} = ?"),
        // A copy of the row that differs only in this value.
        1 => {
            let all = columns.iter().filter(|it| it.0 == *table);
            let (names, picked): (Vec<_>, Vec<_>) = all
                .map(|(.., name)| (name.as_str(), if name == column { "?" } else { name }))
                .unzip();
            let (names, picked) = (names.join(", "), picked.join(", "));
            format!(
                "INSERT OR IGNORE INTO {table} ({names}) SELECT {picked} FROM {table} \
                 WHERE ({keys}) = ({one})"
            )
        }
        _ => format!("UPDATE OR IGNORE {table} SET {column} = ? WHERE ({keys}) = ({one})"),
    };
    // An edit that breaks a constraint changes nothing.
    let _ = db.execute(&sql, [value]);
}

fn bytes<'a>(values: &mut Values<'a>) -> &'a [u8] {
    let length = usize::from(values.byte() % 64);
    values.bytes(length)
}

/// Tables and columns are the same in every recording.
fn columns(db: &Connection) -> Vec<Column> {
    static COLUMNS: OnceLock<Vec<Column>> = OnceLock::new();
    let found = COLUMNS.get_or_init(|| {
        let mut found = Vec::new();
        let asked = db.prepare(
            "SELECT m.name, (SELECT group_concat(name) FROM pragma_table_info(m.name) WHERE pk > 0),
             c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        );
        if let Ok(mut asked) = asked
            && let Ok(mut rows) = asked.query([])
        {
            while let Ok(Some(row)) = rows.next() {
                let text = |index| row.get::<_, String>(index).unwrap_or_default();
                found.push((text(0), text(1), text(2)));
            }
        }
        found
    });
    found.clone()
}

/// Makes every report, and a comparison with another run: none may fail, and nothing may reach the
/// terminal or the page unescaped.
fn reports(run: &Run) {
    let page = rendered(|out| report::run_as_html(run, out));
    assert_eq!(scripts(&page), base().0);
    for extent in [Extent::Full, Extent::Short(None)] {
        let text = rendered(|out| report::run_as_text(run, extent, TEXT, out));
        assert!(is_plain(&text));
    }
    is_json(&rendered(|out| {
        report::run_as_json(run, report::Histogram::Whole, out)
    }));
    for render in [
        report::run_as_csv,
        report::run_as_folded_stacks,
        report::run_as_pprof,
    ] {
        rendered(|out| render(run, out));
    }
    let base = base().1.clone();
    let new = Measured::of(run, "new".into());
    let options = diff::Options::default();
    // A run cannot be compared with itself.
    let Ok(comparison) = diff::compare_runs(vec![base], vec![new], options) else {
        return;
    };
    assert!(is_plain(&rendered(|out| diff::comparison_as_text(
        &comparison,
        TEXT,
        out
    ))));
    is_json(&rendered(|out| diff::comparison_as_json(&comparison, out)));
    rendered(|out| diff::comparison_as_html(&comparison, out));
}

/// The other side of comparisons: how many script tags its page has, and its figures.
fn base() -> &'static (usize, Measured) {
    static BASE: OnceLock<(usize, Measured)> = OnceLock::new();
    BASE.get_or_init(|| {
        let page = rendered(|out| report::run_as_html(few(), out));
        (scripts(&page), Measured::of(few(), "base".into()))
    })
}

fn rendered(render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Vec::new();
    let result = render(&mut out);
    assert!(result.is_ok(), "{result:?}");
    out
}

/// Whether a terminal shows it unchanged.
fn is_plain(text: &[u8]) -> bool {
    let text = str::from_utf8(text);
    text.is_ok_and(|text| !text.chars().any(|it| it.is_control() && it != '\n'))
}

/// The number of script tags in a page's markup.
fn scripts(page: &[u8]) -> usize {
    let page = page.to_ascii_lowercase();
    let found = |tag: &[u8]| page.windows(tag.len()).filter(|it| *it == tag).count();
    found(b"<script") + found(b"</script")
}

fn is_json(text: &[u8]) {
    let value = serde_json::from_slice::<serde::de::IgnoredAny>(text);
    assert!(value.is_ok(), "{value:?}");
}

fn record_again(run: &Run, scratch: &Scratch) {
    let path = scratch.path("again.cow");
    let mut run = run.clone();
    run.head.unfinished = false;
    let written =
        RecordingWriter::create(&path, false, few()).and_then(|writer| writer.finish(&run));
    assert!(written.is_ok(), "{written:?}");
    let again = read_recording(&path);
    assert!(again.is_ok(), "{again:?}");
    assert!(again.is_ok_and(|again| again == run));
}

/// The run of a real service, with its long lists shortened.
fn few() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let text = include_str!("../../../tests/tests/runs/service.json");
        let mut run: Run = match serde_json::from_str(text) {
            Ok(run) => run,
            Err(error) => panic!("{error}"),
        };
        run.memory.rows.truncate(12);
        run.who_wrote.writers.truncate(6);
        run.memory.timeline.samples.truncate(4);
        run
    })
}

fn file_of(run: &Run, page_bytes: u32) -> Vec<u8> {
    let scratch = Scratch::new("seed");
    let path = scratch.path("run.cow");
    let written = RecordingWriter::create(&path, false, run).and_then(|writer| writer.finish(run));
    assert!(written.is_ok(), "{written:?}");
    let small = Connection::open(&path)
        .and_then(|db| db.execute_batch(&format!("PRAGMA page_size = {page_bytes}; VACUUM")));
    assert!(small.is_ok(), "{small:?}");
    fs::read(&path).unwrap_or_default()
}

fn template() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| file_of(few(), 4096))
}

fn file_input(file: &[u8], journal: &[u8]) -> Vec<u8> {
    let length = u32::try_from(journal.len()).unwrap_or(0).to_le_bytes();
    [&length[..], journal, file].concat()
}

/// An unexpected number and text for each column; and edits of each kind, one after the other.
fn value_seeds() -> Vec<Vec<u8>> {
    let single = (0..200u8).flat_map(|column| {
        let number = [&[column, 0, 0, 18][..], &[0xff; 7], &[0x3f]].concat();
        let text = [&[column, 0, 0, 22, 12][..], b"</script>\x1b[1m"].concat();
        [number, text]
    });
    let edits = (0..32).flat_map(|kind| {
        let column = 17u8.wrapping_mul(kind);
        [
            column,
            0,
            kind % 3,
            kind,
            3,
            b'a',
            0x1b,
            b'<',
            1,
            0,
            0,
            0,
            0,
        ]
    });
    single.chain([edits.collect()]).collect()
}
