//! Standard output and standard error, which may be closed, full or a terminal that is gone.
//!
//! What is said on standard error never ends anything: `eprintln!` panics where it cannot write, and
//! a panic would lose the report. What is written to standard output is the result, so that nothing
//! of it is lost in silence. Nobody else writes to either; the lints `print_stdout` and
//! `print_stderr` see to it.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether standard output was closed when the program started.
static OUTPUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Remembers whether standard output is closed. To be called before `main`: by then Rust's runtime
/// has put `/dev/null` in place of what is closed, so that no other file takes its number.
pub extern "C" fn look_for_output() {
    let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    OUTPUT_IS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Says something to the user, a line of its own on standard error, if that can be written.
pub fn say_to_user(text: fmt::Arguments<'_>) {
    // In one piece, so that lines of two processes do not mix.
    let line = format!("{text}\n");
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// An error if nothing can come of standard output.
pub fn check_output() -> io::Result<()> {
    if OUTPUT_IS_CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed"));
    }
    Ok(())
}

/// Standard output, to be flushed at the end.
pub fn standard_output() -> io::Result<BufWriter<File>> {
    check_output()?;
    // Not by std's own, which takes a write that the system refuses (EBADF) for one that is done.
    let own = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(BufWriter::new(File::from(own)))
}
