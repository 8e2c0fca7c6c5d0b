//! Tells a script that the hooks are on: a file that exists while a trace runs, or a line into a pipe. Made with
//! the rights of the user who called.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result, bail};
use nix::libc;

use crate::{foreign::printable_path, itself::caller, output::NewFile, streams::say_to_user};

/// Where to tell it.
#[derive(Debug)]
pub(super) enum ReadySignal {
    /// Into an open pipe.
    Pipe(File, PathBuf),
    /// By a new file.
    Path(PathBuf),
}

impl ReadySignal {
    /// Before anything is traced: fails if it could not be told later.
    pub(super) fn prepare(path: &Path) -> Result<Self> {
        let there = caller::with_rights(|| anyhow::Ok(fs::metadata(path).ok()))?;
        let Some(kind) = there.map(|there| there.file_type()) else {
            let is_possible = || anyhow::Ok(can_be_created(path));
            if !caller::with_rights(is_possible)? {
                bail!(
                    "--ready-file {}: it cannot be created: its folder is not there, or it is a link to nothing",
                    printable_path(path)
                );
            }
            return Ok(Self::Path(path.to_owned()));
        };
        if !kind.is_fifo() && !kind.is_char_device() {
            bail!(
                "--ready-file {}: it exists already; remove it, or name another file",
                printable_path(path)
            );
        }
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true);
            options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            options.open(path)
        };
        let pipe = caller::with_rights(|| anyhow::Ok(open()))?;
        let pipe = pipe.with_context(|| {
            format!(
                "--ready-file {}: it cannot be opened (does anybody read from it?)",
                printable_path(path)
            )
        })?;
        Ok(Self::Pipe(pipe, path.to_owned()))
    }

    /// The hooks are on, and the processes that are there are traced. The file is removed when the returned value
    /// is dropped. A failure is only said: the trace has begun.
    pub(super) fn tell(self) -> Option<ReadyFile> {
        let line = format!("{}\n", process::id());
        let (path, told) = match self {
            Self::Pipe(mut pipe, path) => {
                let told = pipe.write_all(line.as_bytes());
                (path, told.map(|()| None).map_err(anyhow::Error::from))
            }
            Self::Path(path) => {
                let create = || -> Result<NewFile> {
                    let mut file = NewFile::create(&path, false)?;
                    file.file().write_all(line.as_bytes())?;
                    Ok(file)
                };
                let created = caller::with_rights(create);
                (path, created.map(|file| Some(ReadyFile(Some(file)))))
            }
        };
        told.unwrap_or_else(|error| {
            let path = printable_path(&path);
            say_to_user(format_args!("cowtrace: --ready-file {path}: {error:#}"));
            None
        })
    }
}

/// Whether nothing is at a path, in a folder that is there.
fn can_be_created(path: &Path) -> bool {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    fs::symlink_metadata(path).is_err() && folder.is_none_or(Path::is_dir)
}

/// The file, for as long as the trace runs.
#[derive(Debug)]
pub(super) struct ReadyFile(Option<NewFile>);

impl Drop for ReadyFile {
    /// As the user who called: another folder may stand at its path by now.
    fn drop(&mut self) {
        let file = self.0.take();
        let _ = caller::with_rights(|| {
            drop(file);
            anyhow::Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_is_there_as_long_as_it_is_held() {
        let scratch = Scratch::new("ready");
        let path = scratch.path("ready");
        let signal = ReadySignal::prepare(&path).unwrap();
        assert!(!path.exists());
        let held = signal.tell();
        assert!(held.is_some());
        let said = fs::read_to_string(&path).unwrap();
        assert_eq!(said, format!("{}\n", process::id()));
        let again = ReadySignal::prepare(&path).unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
        drop(held);
        assert!(!path.exists());
        assert!(ReadySignal::prepare(&scratch.path("none/ready")).is_err());
        std::os::unix::fs::symlink(scratch.path("nothing"), &path).unwrap();
        assert!(ReadySignal::prepare(&path).is_err());
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_refused_and_another_gets_a_line() {
        use std::io::Read as _;
        let scratch = Scratch::new("ready-pipe");
        let path = scratch.path("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(ReadySignal::prepare(&path).is_err());
        let mut options = OpenOptions::new();
        let read = options.read(true).custom_flags(libc::O_NONBLOCK);
        let mut reader = read.open(&path).unwrap();
        assert!(ReadySignal::prepare(&path).unwrap().tell().is_none());
        let mut line = String::new();
        reader.read_to_string(&mut line).unwrap();
        assert_eq!(line, format!("{}\n", process::id()));
    }
}
