//! Standard output and standard error, which may be closed, full, or a terminal that is gone.
//!
//! Messages on standard error never end the program: `eprintln!` panics when it cannot write, and a
//! panic would lose the report. Standard output carries the result, so an error in writing it is
//! always reported. No other room writes to either; the lints `print_stdout` and `print_stderr`
//! enforce this.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::fd::{AsFd as _, BorrowedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Lines that are held back at most; of more, the oldest are dropped.
const MOST_HELD: usize = 1_000;

/// Lines that wait for standard error, while a screen is drawn on the same terminal; `None` while nothing is held.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Whether standard output was closed when the program started.
static OUTPUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Remembers whether standard output is closed. Must run before `main`: by then Rust's runtime has
/// replaced closed streams by `/dev/null`, so that no other file takes their numbers.
pub extern "C" fn look_for_output() {
    let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    OUTPUT_IS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Prints a message for the user on a line of standard error, if that can be written.
pub fn say_to_user(text: fmt::Arguments<'_>) {
    // In one write, so that lines of two processes do not mix.
    say(format!("{text}\n"));
}

fn say(lines: String) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *held {
        Some(held) => {
            if held.len() >= MOST_HELD {
                held.remove(0);
            }
            held.push(lines);
        }
        None => {
            let _ = io::stderr().lock().write_all(lines.as_bytes());
        }
    }
}

/// From now on holds back what is said, until [`release`].
pub fn hold() {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.get_or_insert_default();
}

/// Says what was held back.
pub fn release() {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = held.take().unwrap_or_default().concat();
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}

/// The last of what is held back.
#[must_use]
pub fn last_held() -> Option<String> {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.as_ref()?.last().cloned()
}

/// Standard error for the log: held back with all else. Lines for which it has no room are dropped, since a trace
/// must not wait for whoever reads its log; how many is said as soon as there is room.
#[derive(Clone, Copy, Debug)]
pub struct Said;

/// Lines of the log that were dropped and not yet counted for the user.
static DROPPED: AtomicU64 = AtomicU64::new(0);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).into_owned();
        if let Some(lines) = with_dropped(line, has_room(io::stderr().as_fd()), &DROPPED) {
            say(lines);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line of the log, with the number of those that were dropped before it; `None` if it is dropped as well.
fn with_dropped(line: String, has_room: bool, dropped: &AtomicU64) -> Option<String> {
    if !has_room {
        dropped.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    Some(match dropped.swap(0, Ordering::Relaxed) {
        0 => line,
        many => format!(
            "cowtrace: lines of the log that nobody read in time were dropped: {many}\n{line}"
        ),
    })
}

/// Whether a line can be written without waiting: pipes say so if a page has room.
fn has_room(file: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(file, PollFlags::POLLOUT)];
    // What cannot be polled is written to, come what may.
    !matches!(poll(&mut polled, PollTimeout::ZERO), Ok(0))
}

/// An error if nothing can be written to standard output.
pub fn check_output() -> io::Result<()> {
    if OUTPUT_IS_CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed"));
    }
    Ok(())
}

/// Standard output; flush it at the end.
pub fn standard_output() -> io::Result<BufWriter<File>> {
    check_output()?;
    // Not std's own, which treats a refused write (EBADF) as done.
    let own = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(BufWriter::new(File::from(own)))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn lines_for_a_pipe_that_nobody_reads_are_dropped_and_counted() {
        let (mut read, mut write) = io::pipe().unwrap();
        let dropped = AtomicU64::new(0);
        let mut log = |line: &str| {
            let line = with_dropped(line.into(), has_room(write.as_fd()), &dropped);
            line.inspect(|line| write.write_all(line.as_bytes()).unwrap())
        };
        let line = format!("{}\n", "x".repeat(999));
        let mut written = 0;
        while let Some(line) = log(&line) {
            written += line.len();
            assert!(written < 1 << 24, "the pipe has an end");
        }
        assert!(log(&line).is_none());
        let mut all = vec![0; written];
        read.read_exact(&mut all).unwrap();
        let next = log(&line).unwrap();
        assert!(
            next.ends_with(&format!("were dropped: 2\n{line}")),
            "{next}"
        );
        assert_eq!(log(&line).unwrap(), line);
    }
}
