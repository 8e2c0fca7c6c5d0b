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
    sync::atomic::{AtomicBool, Ordering},
};

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
    let line = format!("{text}\n");
    let _ = io::stderr().lock().write_all(line.as_bytes());
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
