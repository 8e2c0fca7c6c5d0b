//! The thread that draws and reads keys. The trace hands it moments and never waits for it: a terminal that nobody
//! reads blocks what is written to it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    draw::{draw, fit},
    look::Look,
    screen::{Screen, TerminalError, check, give_back, wait_for_key},
    state::{Action, Front, Phase, State},
};
use crate::{
    foreign::printable,
    itself::caller::take_rights_in_thread,
    run::Run,
    streams,
    watch::{Moment, Viewer},
};
use nix::{
    sys::signal::{Signal, kill, raise},
    unistd::getpid,
};
use ratatui::crossterm::event::{self, Event, KeyEventKind};

/// Between two frames at least, and between two looks for a new moment.
const FRAME: Duration = Duration::from_millis(100);
/// A message hides the keys for this long.
const MESSAGE: Duration = Duration::from_secs(6);
/// A terminal that nobody reads is given this long at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of a command's output that are shown.
const MOST_OUTPUT: u64 = 16 << 10;

/// Writes a report of a run; returns where it is, or why it is not.
pub type WriteReport = Box<dyn Fn(&Run) -> Result<PathBuf, String> + Send>;

/// What the thread is to draw.
#[derive(Default)]
struct Inbox {
    /// A moment that was not drawn yet.
    run: Option<Arc<Run>>,
    phase: Phase,
    is_over: bool,
}

/// The screen of a trace.
pub struct Live {
    inbox: Arc<Mutex<Inbox>>,
    thread: JoinHandle<()>,
}

/// Puts each moment on the screen.
struct LiveViewer(Arc<Mutex<Inbox>>);

impl Viewer for LiveViewer {
    fn look(&mut self, moment: Moment<'_>) {
        put(&self.0, Arc::new(moment.run.clone()), Phase::Live);
    }
}

fn put(inbox: &Mutex<Inbox>, run: Arc<Run>, phase: Phase) {
    let mut inbox = lock(inbox);
    inbox.run = Some(run);
    inbox.phase = phase;
}

fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Fails if no screen can be drawn here.
    pub fn check(is_dumb: bool) -> Result<(), TerminalError> {
        check(is_dumb)
    }

    /// Takes the terminal and starts the thread. Its user ends the trace by SIGINT to this process, as without a
    /// screen.
    pub fn start(
        look: Look,
        output: Option<PathBuf>,
        write_report: WriteReport,
    ) -> Result<Self, TerminalError> {
        let screen = Screen::enter()?;
        let inbox: Arc<Mutex<Inbox>> = Arc::default();
        let screen = Drawing {
            inbox: Arc::clone(&inbox),
            look,
            output,
            write_report,
            state: State::new(),
            screen,
        };
        let thread = thread::Builder::new().name("live".into());
        let thread = thread.spawn(move || screen.run());
        let thread = thread.inspect_err(|_| give_back())?;
        Ok(Self { inbox, thread })
    }

    /// Who puts moments on it.
    #[must_use]
    pub fn viewer(&self) -> Box<dyn Viewer> {
        Box::new(LiveViewer(Arc::clone(&self.inbox)))
    }

    /// Shows a run.
    pub fn show(&self, run: Run, phase: Phase) {
        put(&self.inbox, Arc::new(run), phase);
    }

    /// Shows that the trace ends.
    pub fn show_ending(&self) {
        lock(&self.inbox).phase = Phase::Ending;
    }

    /// Gives the terminal back.
    pub fn leave(self) {
        lock(&self.inbox).is_over = true;
        let begun = Instant::now();
        while !self.thread.is_finished() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        // It may be blocked by a terminal that nobody reads.
        if self.thread.is_finished() {
            let _ = self.thread.join();
        }
    }
}

/// The thread's own.
struct Drawing {
    inbox: Arc<Mutex<Inbox>>,
    look: Look,
    /// The file with what the traced command prints, if there is one.
    output: Option<PathBuf>,
    write_report: WriteReport,
    state: State,
    screen: Screen,
}

impl Drawing {
    fn run(mut self) {
        // Reports that it writes are the user's. It may begin before the trace has given up what it does not need.
        let _ = take_rights_in_thread();
        if let Err(error) = self.draw_until_over() {
            drop(self.screen);
            streams::say_to_user(format_args!("cowtrace: the screen is lost: {error}"));
            let _ = kill(getpid(), Signal::SIGINT);
        }
    }

    fn draw_until_over(&mut self) -> io::Result<()> {
        let mut is_stale = true;
        let mut drawn: Option<Instant> = None;
        let mut taken: Option<Instant> = None;
        let mut said = None;
        let mut said_at = Instant::now();
        loop {
            let pace = Duration::from_secs(self.state.pace());
            let is_due = taken.is_none_or(|at| at.elapsed() + FRAME >= pace);
            let (run, phase, is_over) = self.look_into_inbox(is_due);
            if is_over {
                return Ok(());
            }
            if let Some(run) = run {
                taken = Some(Instant::now());
                is_stale |= self.state.take(run, phase);
            } else if self.state.phase != phase {
                self.state.phase = phase;
                is_stale = true;
            }
            let held = streams::last_held();
            if held != said {
                self.state.message.clone_from(&held);
                (said, is_stale) = (held, true);
                said_at = Instant::now();
            }
            if self.state.message.is_some() && said_at.elapsed() > MESSAGE {
                self.state.message = None;
                is_stale = true;
            }
            let wait = drawn.map_or(Duration::ZERO, |at| FRAME.saturating_sub(at.elapsed()));
            if is_stale && wait.is_zero() {
                self.draw()?;
                drawn = Some(Instant::now());
                is_stale = false;
            }
            wait_for_key(if is_stale { wait } else { FRAME })?;
            if event::poll(Duration::ZERO)? {
                is_stale |= self.take_event(&event::read()?)?;
                said_at = Instant::now();
            }
        }
    }

    /// What there is, if it is time for a new moment, or the trace's last one has come.
    fn look_into_inbox(&self, is_due: bool) -> (Option<Arc<Run>>, Phase, bool) {
        let mut inbox = lock(&self.inbox);
        let is_last = inbox.phase == Phase::Ended;
        let run = inbox.run.take_if(|_| is_due || is_last);
        (run, inbox.phase, inbox.is_over)
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = self.screen.terminal.size()?;
        if self.state.front == Front::Output {
            self.state.output = self.output.as_deref().map(last_lines);
        }
        fit(&mut self.state, self.look, size);
        let (state, look) = (&self.state, self.look);
        self.screen
            .terminal
            .draw(|frame| draw(state, look, frame))?;
        Ok(())
    }

    /// Returns whether the screen is to be drawn anew.
    fn take_event(&mut self, event: &Event) -> io::Result<bool> {
        let key = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => *key,
            Event::Resize(..) => return Ok(true),
            _ => return Ok(false),
        };
        match self.state.on_key(key) {
            Action::Nothing => return Ok(false),
            Action::Draw => {}
            Action::End => kill(getpid(), Signal::SIGINT)?,
            Action::WriteReport => {
                let written = (self.write_report)(self.state.run());
                self.state.message = Some(match written {
                    Ok(path) => format!("report written: {}", path.display()),
                    Err(error) => error,
                });
            }
            Action::Suspend => {
                give_back();
                // To this thread, which then stops here.
                raise(Signal::SIGTSTP)?;
                self.screen.enter_again()?;
            }
        }
        Ok(true)
    }
}

/// The last lines of a file that another program writes.
fn last_lines(path: &Path) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(MOST_OUTPUT)))?;
        let mut bytes = Vec::new();
        file.take(MOST_OUTPUT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => String::from_utf8_lossy(&bytes)
            .lines()
            .map(printable)
            .collect(),
        Err(error) => vec![format!("it cannot be read: {error}")],
    }
}
