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
    os::fd::AsFd as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

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

/// Standard error for the log: held back with all else.
#[derive(Clone, Copy, Debug)]
pub struct Said;

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
