//! Labels of a finished recording: the only part of it that changes afterwards.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig, ffi::ErrorCode};
use thiserror::Error;

use super::{
    read, read_error::ReadError, sync::sync_list, tables::LabelRow, write::resolve_folders,
};
use crate::output::{OutputError, claim::hold_existing};

/// Why a recording was not labelled. It is unchanged. Whoever shows this names the file.
#[derive(Debug, Error)]
pub enum LabelError {
    /// It cannot be read as a recording.
    #[error(transparent)]
    Read(ReadError),
    /// Its trace still runs.
    #[error("its trace is still writing it; label it when that has ended")]
    Busy,
    /// It cannot be opened.
    #[error(transparent)]
    Output(OutputError),
    /// It is a symbolic link, which may lead anywhere.
    #[error("it is a symbolic link; name the recording itself")]
    Link,
    /// Its trace did not finish.
    #[error("its trace was cut off: only a finished recording can be labelled")]
    Unfinished,
    /// It cannot be written.
    #[error("{0}")]
    System(String),
}

impl From<OutputError> for LabelError {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::Busy(_) => Self::Busy,
            OutputError::System { error, .. } => Self::System(error.to_string()),
            other => Self::Output(other),
        }
    }
}

/// Adds labels to a finished recording in one transaction; existing keys get the new value. Returns
/// all labels that it then has.
pub fn label_recording(
    path: &Path,
    labels: &[(String, String)],
) -> Result<BTreeMap<String, String>, LabelError> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_symlink());
    if is_link {
        return Err(LabelError::Link);
    }
    // Reading gives the best error message, and plays back a journal.
    read::read_recording(path).map_err(LabelError::Read)?;
    let path = resolve_folders(path)?;
    // Closed after the database: see `RecordingWriter`.
    let held = hold_existing(&path)?;
    let written = write_labels(&path, labels);
    drop(held);
    written
}

fn write_labels(
    path: &Path,
    labels: &[(String, String)],
) -> Result<BTreeMap<String, String>, LabelError> {
    let mut db = connect_to_label(path).map_err(label_failure)?;
    let transaction = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(label_failure)?;
    // Checked again, now that nobody else can write it.
    let run = read::from_database(&transaction).map_err(LabelError::Read)?;
    if run.head.unfinished {
        return Err(LabelError::Unfinished);
    }
    let mut all = run.head.labels;
    all.extend(labels.iter().cloned());
    let rows = all
        .iter()
        .map(|(key, value)| LabelRow(key.clone(), value.clone()));
    transaction
        .execute("DELETE FROM labels", [])
        .and_then(|_| sync_list::<LabelRow, _>(&transaction, &[], rows))
        .map_err(label_failure)?;
    transaction.commit().map_err(label_failure)?;
    Ok(all)
}

fn connect_to_label(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = read::connect_to_read(path, flags)?;
    // Triggers of tables that others have added.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    db.execute_batch("PRAGMA synchronous = FULL;")?;
    Ok(db)
}

fn label_failure(error: rusqlite::Error) -> LabelError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LabelError::System("the disk is full".into()),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            LabelError::System("you may not write it, or a file beside it".into())
        }
        _ => LabelError::Read(ReadError::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::RecordingWriter, *};
    use crate::{
        run::{Run, arbitrary},
        scratch::Scratch,
    };

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    fn finished(scratch: &Scratch, run: &Run) -> PathBuf {
        let path = scratch.path("run.cow");
        let writer = RecordingWriter::create(&path, false, run).unwrap();
        writer.finish(run).unwrap();
        path
    }

    #[test]
    fn labels_are_added_and_replaced_and_nothing_else_is_changed() {
        let scratch = Scratch::new("label");
        let mut run = arbitrary::empty();
        run.head.labels = BTreeMap::from([pair("build", "41"), pair("requests", "?")]);
        let path = finished(&scratch, &run);
        let all = label_recording(&path, &[pair("requests", "20000"), pair("a", "")]).unwrap();
        run.head
            .labels
            .extend([pair("requests", "20000"), pair("a", "")]);
        assert_eq!(all, run.head.labels);
        assert_eq!(read::read_recording(&path).unwrap(), run);
        assert_eq!(scratch.names(), ["run.cow"]);
    }

    #[test]
    fn only_what_is_finished_and_not_being_written_is_labelled() {
        let scratch = Scratch::new("unlabelled");
        let run = arbitrary::empty();
        let path = scratch.path("run.cow");
        let refused = |says: &str| {
            let before = fs::read(&path).unwrap();
            let error = label_recording(&path, &[pair("a", "b")])
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(fs::read(&path).unwrap(), before);
        };
        let writer = RecordingWriter::create(&path, false, &run).unwrap();
        refused("its trace is still writing it");
        drop(writer);
        refused("its trace was cut off");
        fs::remove_file(&path).unwrap();
        let path = finished(&scratch, &run);
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "user_version", 2).unwrap();
        drop(db);
        refused("a newer cowtrace");
        fs::write(&path, "text").unwrap();
        refused("not a cowtrace recording");
        let link = scratch.path("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = label_recording(&link, &[]).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
    }

    #[test]
    fn what_others_added_to_the_tables_does_not_run() {
        let scratch = Scratch::new("trigger");
        let run = arbitrary::empty();
        let path = finished(&scratch, &run);
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "CREATE TRIGGER theirs AFTER INSERT ON labels
             BEGIN UPDATE run SET duration_ns = 7; END",
        )
        .unwrap();
        drop(db);
        label_recording(&path, &[pair("a", "b")]).unwrap();
        assert_eq!(
            read::read_recording(&path).unwrap().head.duration_ns,
            run.head.duration_ns
        );
    }
}
