//! What the user gave to trace, and which processes belong to which of it, in tables of their own: older recordings
//! do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition, list_table},
};
use crate::run::{Process, Run, TracedTarget};

/// More than a command line can give.
const MOST_TARGETS: usize = 1024;

impl Stored for TracedTarget {
    const TABLE: TableDefinition = list_table("traced_targets", &["name", "what"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.name);
        columns.text(&self.what);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            name: columns.text()?,
            what: columns.text()?,
        })
    }
}

/// Which target a process belongs to.
pub(super) struct ProcessTarget(u32);

impl Stored for ProcessTarget {
    const TABLE: TableDefinition = TableDefinition {
        name: "process_targets",
        key: &["process_id"],
        columns: &["target"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.0));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.id()?))
    }
}

/// Those of the processes that belong to a target, by serial number.
pub(super) fn rows_of_targets(processes: &[Process]) -> impl Iterator<Item = (u64, ProcessTarget)> {
    let with_target = |it: &Process| Some((u64::from(it.id), ProcessTarget(it.target?)));
    processes.iter().filter_map(with_target)
}

/// Adds the targets that were read to their processes.
pub(super) fn distribute_targets(
    targets: Vec<(u64, ProcessTarget)>,
    processes: &mut [Process],
) -> Result<(), Damage> {
    for (id, ProcessTarget(target)) in targets {
        let place = processes.binary_search_by_key(&id, |it| u64::from(it.id));
        let process = place.ok().and_then(|place| processes.get_mut(place));
        let none = || Damage("process_targets: one of no process".into());
        process.ok_or_else(none)?.target = Some(target);
    }
    Ok(())
}

/// Refuses processes of targets that are not there, and two targets of one name.
pub(super) fn check_targets(run: &Run) -> Result<(), Damage> {
    let targets = &run.head.traced_targets;
    if targets.len() > MOST_TARGETS {
        return Err(Damage("traced_targets: too many".into()));
    }
    let is_missing = |target: u32| target as usize >= targets.len();
    let mut of_processes = run.memory.processes.iter().filter_map(|it| it.target);
    if of_processes.any(is_missing) {
        return Err(Damage("the target of a process is missing".into()));
    }
    let is_twice = |(at, it): (usize, &TracedTarget)| {
        let before = targets.get(..at).unwrap_or_default();
        before.iter().any(|before| before.name == it.name)
    };
    if targets.iter().enumerate().any(is_twice) {
        return Err(Damage("traced_targets: two have the same name".into()));
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
    use crate::{run::arbitrary, scratch::Scratch};

    #[test]
    fn targets_are_checked_and_older_recordings_have_none() {
        let scratch = Scratch::new("targets");
        let mut run: Run =
            serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
        run.head.traced_targets = ["web", "jobs"]
            .map(|name| TracedTarget {
                name: name.into(),
                what: format!("unit {name}.service"),
            })
            .to_vec();
        for process in &mut run.memory.processes {
            process.target = Some(process.id % 2);
        }
        let recorded = |name: &str| {
            let path = scratch.path(name);
            let writer = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
            writer.finish(&run).unwrap();
            path
        };
        for (name, change, why) in [
            (
                "nobody",
                "UPDATE process_targets SET process_id = 99 WHERE process_id = 0",
                "no process",
            ),
            (
                "none",
                "UPDATE process_targets SET target = 2 WHERE process_id = 0",
                "missing",
            ),
            (
                "twice",
                "UPDATE traced_targets SET name = 'web'",
                "same name",
            ),
        ] {
            let path = recorded(name);
            assert_eq!(read_recording(&path).unwrap(), run);
            let db = Connection::open(&path).unwrap();
            db.execute_batch(change).unwrap();
            let refused = read_recording(&path).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        let path = recorded("older");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("DROP TABLE process_targets; DROP TABLE traced_targets")
            .unwrap();
        let older = read_recording(&path).unwrap();
        assert!(older.head.traced_targets.is_empty());
        assert!(older.memory.processes.iter().all(|it| it.target.is_none()));
    }
}
