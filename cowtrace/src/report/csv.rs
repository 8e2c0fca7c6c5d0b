//! The histogram as CSV (RFC 4180): one line per process, region and range.

use std::io::{self, Write};

use crate::{run::Run, words::printable};

const COLUMNS: [&str; 12] = [
    "process_id",
    "pid",
    "comm",
    "role",
    "region_id",
    "region",
    "kind",
    "start",
    "range_bytes",
    "copied_pages",
    "copied_bytes",
    "reused_faults",
];

/// Writes the histogram of a run. Counts without room in the histogram have no `start`.
pub fn run_as_csv(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    write_rows_as_csv(run, out).map_err(|error| match error.into_kind() {
        // Unwrapped, so that a closed pipe is recognized.
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

fn write_rows_as_csv(run: &Run, out: &mut dyn Write) -> csv::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    for row in &run.memory.rows {
        let process = run.process(row.process_id);
        let region = row.region_id.and_then(|id| run.region(id));
        let name = region
            .map(|region| region.mapping.name.as_str())
            .or(row.mapping.as_deref());
        let copied = row.copied.total();
        table.write_record([
            row.process_id.to_string(),
            process
                .map(|process| process.pid.to_string())
                .unwrap_or_default(),
            process
                .map(|process| inert_cell(&process.comm))
                .unwrap_or_default(),
            process.map_or("", |process| process.role.name()).into(),
            row.region_id.map(|id| id.to_string()).unwrap_or_default(),
            inert_cell(name.unwrap_or_default()),
            region
                .map_or("", |region| region.mapping.kind.name())
                .into(),
            row.start
                .map(|start| format!("{start:#x}"))
                .unwrap_or_default(),
            run.memory.range_bytes.to_string(),
            copied.to_string(),
            run.bytes(copied).to_string(),
            row.reused_faults.to_string(),
        ])?;
    }
    Ok(table.flush()?)
}

/// A foreign string that no spreadsheet takes for a formula and no terminal for a command.
fn inert_cell(text: &str) -> String {
    let safe = printable(text);
    match safe.chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{safe}"),
        _ => safe,
    }
}
