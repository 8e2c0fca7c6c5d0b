//! Writing: what is new since the last time, in one transaction.
//!
//! The journal is SQLite's rollback journal: a file beside the recording that exists only during a
//! transaction. A write-ahead log would be faster, but would leave two more files beside every
//! recording whose trace was killed. This way there is one file, or two if it was killed during a
//! write; whoever opens those gets the state before the write.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, ffi::ErrorCode};
use thiserror::Error;

use super::{
    by_whom::ByWhom,
    companions::{find_companion, remove_companions},
    holders::HeldHolders,
    lists::Lists,
    ranges::Ranges,
    schema,
    timeline::HeldTimeline,
};
use crate::{
    foreign::{printable, printable_path},
    itself::caller::CallerError,
    output::{
        NewFile, OutputError,
        claim::{Fate, Left, fate_of_file},
    },
    run::{Run, Snapshot, SnapshotScope},
};

/// How long a reader may delay the writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a recording was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file was not created.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Files of another database are where this one's would be.
    #[error("{} is left over from another recording; --force removes it", printable_path(.0))]
    Companion(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {reason}", printable_path(path))]
    Database {
        /// The recording.
        path: PathBuf,
        /// Why, in plain words.
        reason: String,
    },
    /// The file has been removed or replaced.
    #[error(
        "{} was {fate} while it was being written; {left}",
        printable_path(path)
    )]
    Gone {
        /// The recording.
        path: PathBuf,
        /// `removed`, or what replaced it.
        fate: &'static str,
        /// What is left of it, in plain words.
        left: String,
    },
    /// The snapshot leaves out rows that the file does not have.
    #[error("the snapshot does not follow the last one written")]
    OutOfStep,
    /// The writing thread has ended.
    #[error("{} is no longer written", printable_path(.0))]
    Stopped(PathBuf),
}

impl From<CallerError> for WriteError {
    fn from(error: CallerError) -> Self {
        Self::Output(error.into())
    }
}

/// A recording that is being written.
#[derive(Debug)]
pub struct RecordingWriter {
    db: Connection,
    path: PathBuf,
    held: HeldTables,
    /// The file, opened a second time and held while it is written. Closed after the database:
    /// closing any descriptor of a file releases the locks that SQLite has on it (fcntl(2)).
    file: File,
}

/// The purpose of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To create the tables.
    Begins,
    GoesOn,
    /// To write the run as it was at its end.
    Ends,
}

/// The rows that the tables hold.
#[derive(Debug, Default)]
struct HeldTables {
    lists: Lists,
    by_whom: ByWhom,
    holders: HeldHolders,
    timeline: HeldTimeline,
    ranges: Ranges,
}

impl RecordingWriter {
    /// Whether a recording can be created here, tested by creating an empty file for a moment.
    pub fn check(path: &Path, force: bool) -> Result<(), WriteError> {
        if !force {
            refuse_companions(path)?;
        }
        NewFile::create(path, force)?;
        Ok(())
    }

    /// Creates a recording of a run that begins. With `force`, it replaces an older file as soon as
    /// the new one can be read.
    pub fn create(path: &Path, force: bool, run: &Run) -> Result<Self, WriteError> {
        let path = resolve_folders(path)?;
        if !force {
            refuse_companions(&path)?;
        }
        let mut new = NewFile::create(&path, force)?;
        let file = new.file().try_clone();
        let file = file.map_err(|error| OutputError::System {
            path: path.clone(),
            error,
        })?;
        let mut writer = Self {
            db: connect_to_write(new.place())?,
            path: new.place().to_owned(),
            held: HeldTables::default(),
            file,
        };
        writer.transact(run, &SnapshotScope::default(), Stage::Begins)?;
        let Self { db, held, file, .. } = writer;
        // The database is open under a name that may change, and its journal would keep the old
        // name.
        drop(db);
        if force {
            remove_companions(&path);
        }
        new.keep()?;
        Ok(Self {
            db: connect_to_write(&path)?,
            path,
            held,
            file,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is new. After an error the file is unchanged, and the next snapshot may leave
    /// out only what was written.
    pub fn write(&mut self, snapshot: &Snapshot) -> Result<(), WriteError> {
        self.transact(&snapshot.run, &snapshot.scope, Stage::GoesOn)
    }

    /// Writes the run as it was at its end.
    pub fn finish(mut self, run: &Run) -> Result<(), WriteError> {
        self.transact(run, &SnapshotScope::default(), Stage::Ends)
    }

    fn transact(
        &mut self,
        run: &Run,
        scope: &SnapshotScope,
        stage: Stage,
    ) -> Result<(), WriteError> {
        if !self.held.timeline.is_continued_after(scope.samples_before) {
            return Err(WriteError::OutOfStep);
        }
        self.look_for_file()?;
        let transaction = self.db.unchecked_transaction();
        let written = transaction.and_then(|transaction| {
            if stage == Stage::Begins {
                schema::create_schema(&transaction)?;
            }
            let held = &self.held;
            let lists = held.lists.sync(&transaction, run)?;
            let by_whom = if scope.without_writers {
                held.by_whom.clone()
            } else {
                held.by_whom.sync(&transaction, run)?
            };
            let holders = held.holders.sync(&transaction, run)?;
            let timeline = &run.memory.timeline;
            let timeline = held
                .timeline
                .sync(&transaction, timeline, scope.samples_before)?;
            let ranges = held.ranges.sync(&transaction, run, scope)?;
            put_run(&transaction, run, stage == Stage::Ends)?;
            transaction.commit()?;
            Ok((lists, by_whom, holders, timeline, ranges))
        });
        let (lists, by_whom, holders, timeline, ranges) =
            written.map_err(|error| self.told(&error))?;
        self.held.lists = lists;
        self.held.by_whom = by_whom;
        self.held.holders = holders;
        self.held.timeline = timeline;
        self.held.ranges.take(ranges);
        Ok(())
    }

    fn told(&self, error: &rusqlite::Error) -> WriteError {
        match self.look_for_file() {
            Err(gone) => gone,
            Ok(()) => database_error(&self.path, error),
        }
    }

    /// Returns an error if the file is gone: `SQLite` would call it read-only.
    fn look_for_file(&self) -> Result<(), WriteError> {
        let (fate, left) = match fate_of_file(&self.file, &self.path) {
            Fate::There => return Ok(()),
            Fate::Removed(left @ Left::Nothing) => ("removed", left),
            Fate::Removed(left) => ("moved", left),
            Fate::Replaced(left) => ("replaced by another file", left),
        };
        let left = match left {
            Left::Nothing => "nothing of it is left".into(),
            Left::Moved(None) => "its data is in a file of another name".into(),
            Left::Moved(Some(name)) => {
                format!("its data is in {}", printable(&name.to_string_lossy()))
            }
        };
        Err(WriteError::Gone {
            path: self.path.clone(),
            fate,
            left,
        })
    }
}

/// A journal of another database would be played back into this one.
fn refuse_companions(path: &Path) -> Result<(), WriteError> {
    find_companion(path).map_or(Ok(()), |companion| Err(WriteError::Companion(companion)))
}

fn connect_to_write(path: &Path) -> Result<Connection, WriteError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let open = || -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(PATIENCE)?;
        // FULL: what was written survives a power cut. The cache size bounds memory: larger
        // transactions go to the file before they end.
        db.execute_batch(
            "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;",
        )?;
        Ok(db)
    };
    open().map_err(|error| database_error(path, &error))
}

/// The one row of the table `run`.
fn put_run(db: &Connection, run: &Run, finished: bool) -> rusqlite::Result<()> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    db.execute("DELETE FROM run", [])?;
    db.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rusqlite::params![
            run.head.id,
            finished,
            run.head.tool_version,
            run.head.started_at,
            number(run.head.duration_ns),
            run.head.backend,
            run.head.host.kernel,
            run.head.host.arch,
            number(run.head.host.page_bytes),
            number(run.head.host.cpus as u64),
            number(run.memory.range_bytes),
            number(run.memory.timeline.interval_ns),
        ],
    )?;
    Ok(())
}

/// The path with links in its folders resolved: SQLite, told to follow no link, follows none
/// anywhere.
pub(super) fn resolve_folders(path: &Path) -> Result<PathBuf, OutputError> {
    let name = path.file_name();
    let name = name.ok_or_else(|| OutputError::NoName(path.to_owned()))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    let folder = folder.map_err(|error| OutputError::System {
        path: path.to_owned(),
        error,
    })?;
    Ok(folder.join(name))
}

fn database_error(path: &Path, error: &rusqlite::Error) -> WriteError {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".into(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps it locked".into()
        }
        Some(ErrorCode::SystemIoFailure) => format!(
            "the system refused a write ({})",
            printable(&error.to_string())
        ),
        _ => printable(&error.to_string()),
    };
    WriteError::Database {
        path: path.to_owned(),
        reason,
    }
}
