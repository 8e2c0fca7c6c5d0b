//! The terminal: taken, and given back as it was, however this ends.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout},
    os::fd::AsFd as _,
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::{Hide, Show},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use crate::streams;

/// Bytes of a frame that are written at once.
const BUFFER: usize = 1 << 16;

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Input or output is something else.
    #[error(
        "--live needs a terminal: standard input and standard output must be one; without --live, the report can go \
         anywhere"
    )]
    None,
    /// It can do too little.
    #[error("--live cannot draw on this terminal (TERM=dumb)")]
    Dumb,
    /// It was refused.
    #[error("the terminal cannot be used")]
    Refused(#[from] io::Error),
}

/// Fails if no screen can be drawn here.
pub(super) fn check(is_dumb: bool) -> Result<(), TerminalError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(TerminalError::None);
    }
    if is_dumb {
        return Err(TerminalError::Dumb);
    }
    Ok(())
}

/// Whether the terminal is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

type DrawnTerminal = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// A terminal that shows the screen.
pub(super) struct Screen {
    pub(super) terminal: DrawnTerminal,
}

impl Screen {
    /// Takes the terminal. What is said meanwhile waits.
    pub(super) fn enter() -> io::Result<Self> {
        give_back_at_a_panic();
        let terminal = empty_terminal()?;
        take()?;
        Ok(Self { terminal })
    }

    /// Takes it again after [`give_back`]. It is empty then.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        take()?;
        self.terminal = empty_terminal()?;
        Ok(())
    }
}

fn empty_terminal() -> io::Result<DrawnTerminal> {
    let out = BufWriter::with_capacity(BUFFER, io::stdout());
    Terminal::new(CrosstermBackend::new(out))
}

fn take() -> io::Result<()> {
    streams::hold();
    TAKEN.store(true, Ordering::Relaxed);
    let taken = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen, Hide));
    taken.inspect_err(|_| give_back())
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Waits until there may be a key, or for this time; fails if the terminal is gone. Before crossterm looks: it reads
/// from a terminal that is gone for ever.
pub(super) fn wait_for_key(time: Duration) -> io::Result<()> {
    let input = io::stdin();
    let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO);
    match poll(&mut fds, time) {
        // Of a window that gets another size, for example.
        Err(nix::errno::Errno::EINTR) => return Ok(()),
        other => other?,
    };
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    let is_gone = fds[0].revents().is_some_and(|it| it.intersects(gone));
    if is_gone {
        return Err(io::Error::other("it was closed"));
    }
    Ok(())
}

/// Gives the terminal back, if it is taken.
pub(super) fn give_back() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    streams::release();
}

/// A panic ends the program at once: nothing is dropped.
fn give_back_at_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            give_back();
            report(what);
        }));
    });
}
