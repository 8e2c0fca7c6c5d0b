//! How processes exited, and what they ran, in separate tables: older recordings do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition},
};
use crate::run::{CommandLine, Ending, Exit, Process};

/// A process that the kernel killed for lack of memory.
pub(super) struct VictimRow;

impl Stored for VictimRow {
    const TABLE: TableDefinition = TableDefinition {
        name: "oom_victims",
        key: &["process_id"],
        columns: &[],
    };

    fn write(&self, _: &mut impl Columns) {}

    fn read(_: u64, _: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self)
    }
}

/// A process of which it is not known which pages of its mappings it had.
pub(super) struct UncountedRow(pub(super) u32);

impl Stored for UncountedRow {
    const TABLE: TableDefinition = TableDefinition {
        name: "uncounted",
        key: &["process_id"],
        columns: &[],
    };

    fn write(&self, _: &mut impl Columns) {}

    fn read(key: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.key(key)?))
    }
}

impl Stored for CommandLine {
    const TABLE: TableDefinition = TableDefinition {
        name: "command_lines",
        key: &["process_id"],
        columns: &["text"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.text);
    }

    fn read(key: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.key(key)?,
            text: columns.text()?,
        })
    }
}

impl Stored for Exit {
    const TABLE: TableDefinition = TableDefinition {
        name: "exits",
        key: &["process_id"],
        columns: &["status", "signal", "with_trace", "oom_kills"],
    };

    fn write(&self, columns: &mut impl Columns) {
        let (status, signal) = match self.ending {
            Ending::Status(status) => (Some(status), None),
            Ending::Signal(signal) => (None, Some(signal)),
        };
        columns.number_or_null(status);
        columns.number_or_null(signal);
        columns.number(u64::from(self.with_trace));
        columns.number(self.oom_kills);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let (status, signal) = (columns.id_or_null()?, columns.id_or_null()?);
        let byte = |number: u32| u8::try_from(number).ok();
        let ending = match (status, signal) {
            (Some(status), None) => byte(status).map(Ending::Status),
            (None, Some(signal)) => byte(signal).filter(|it| *it > 0).map(Ending::Signal),
            _ => None,
        };
        Ok(Self {
            out_of_memory: false,
            ending: ending.ok_or_else(|| Damage("exits: a process ends in no known way".into()))?,
            with_trace: columns.flag()?,
            oom_kills: columns.count()?,
        })
    }
}

/// Adds the exits that were read to their processes.
pub(super) fn distribute_exits(
    exits: Vec<(u64, Exit)>,
    processes: &mut [Process],
) -> Result<(), Damage> {
    for (id, exit) in exits {
        let place = processes.binary_search_by_key(&id, |it| u64::from(it.id));
        let process = place.ok().and_then(|place| processes.get_mut(place));
        let process = process.filter(|it| it.exited_ns.is_some());
        let none = || Damage("exits: one of no process that ended".into());
        process.ok_or_else(none)?.exit = Some(exit);
    }
    Ok(())
}

/// Marks those of the processes that the kernel killed for lack of memory.
pub(super) fn mark_victims(
    victims: Vec<(u64, VictimRow)>,
    processes: &mut [Process],
) -> Result<(), Damage> {
    for (id, _) in victims {
        let place = processes.binary_search_by_key(&id, |it| u64::from(it.id));
        let process = place.ok().and_then(|place| processes.get_mut(place));
        let exit = process.and_then(|it| it.exit.as_mut());
        let none = || Damage("oom_victims: one of no process that ended".into());
        exit.ok_or_else(none)?.out_of_memory = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{
        super::{RecordingWriter, read_recording},
        *,
    };
    use crate::{
        run::{Run, arbitrary},
        scratch::Scratch,
    };

    #[test]
    fn how_processes_ended_is_checked_and_older_recordings_do_not_tell() {
        let scratch = Scratch::new("exits");
        let recorded = |name: &str, run: &Run| {
            let path = scratch.path(name);
            let writer = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
            writer.finish(run).unwrap();
            path
        };
        let mut run: Run =
            serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
        let exited = run
            .memory
            .processes
            .iter_mut()
            .find(|it| it.exited_ns.is_some());
        let exited = exited.unwrap();
        exited.exit = Some(Exit {
            ending: Ending::Status(7),
            out_of_memory: true,
            with_trace: false,
            oom_kills: 0,
        });
        let id = exited.id;
        for (name, change) in [
            ("lives", "UPDATE exits SET process_id = 0"),
            ("nobody", "UPDATE exits SET process_id = 99"),
            ("neither", "UPDATE exits SET status = NULL"),
            ("both", "UPDATE exits SET signal = 9"),
            ("large", "UPDATE exits SET status = 256"),
            ("no signal", "UPDATE exits SET status = NULL, signal = 0"),
            (
                "no exit",
                "UPDATE oom_victims SET process_id = process_id + 1",
            ),
        ] {
            let path = recorded(name, &run);
            assert_eq!(read_recording(&path).unwrap(), run);
            Connection::open(&path)
                .unwrap()
                .execute_batch(change)
                .unwrap();
            let refused = read_recording(&path).unwrap_err().to_string();
            assert!(
                refused.contains("exits: ") || refused.contains("oom_victims: "),
                "{refused}"
            );
        }
        let path = recorded("older", &run);
        let db = Connection::open(&path).unwrap();
        db.execute_batch("DROP TABLE exits; DROP TABLE oom_victims")
            .unwrap();
        let older = read_recording(&path).unwrap();
        assert_eq!(older.process(id).unwrap().exit, None);
        let only_that = |it: &mut Process| it.exit = None;
        run.memory.processes.iter_mut().for_each(only_that);
        assert_eq!(older, run);
    }
}
