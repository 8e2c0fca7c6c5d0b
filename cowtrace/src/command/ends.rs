//! What ends a trace.

use std::{fs, io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use crate::stop::Stop;

/// Signals to a group of processes come at one moment; it takes a turn of the loop to read of one.
const JUST_NOW: Duration = Duration::from_millis(10);

/// Why a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its time was over.
    Duration,
    /// A signal came.
    Signal,
    /// What was to be traced has exited.
    MastersGone,
    /// As many workers as were waited for have exited.
    WorkersGone,
}

/// The signals that end a trace with its report.
pub(super) struct Ends {
    interrupt: Signal,
    terminate: Signal,
    /// None where it was ignored from the start, as under `nohup`.
    hangup: Option<Signal>,
    /// None where it ends the program at once, as it does without a screen.
    quit: Option<Signal>,
    /// Set by any of them.
    stop: Stop,
}

impl Ends {
    /// From now on none of them ends the program; nor does SIGQUIT, if there is a screen to be cleared.
    pub(super) fn listen(has_screen: bool) -> io::Result<Self> {
        let stop = Stop::default();
        let listen = |kind: SignalKind| {
            stop.at(kind.as_raw_value())?;
            signal(kind)
        };
        let hangup = (!is_hangup_ignored()).then(|| listen(SignalKind::hangup()));
        let quit = has_screen.then(|| listen(SignalKind::quit()));
        Ok(Self {
            quit: quit.transpose()?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
            stop,
        })
    }

    /// Tells long steps whether one has come.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Tells the steps after the end whether another one has come.
    pub(super) fn another() -> io::Result<Stop> {
        let another = Stop::default();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            another.at(kind.as_raw_value())?;
        }
        Ok(another)
    }

    /// Until one comes.
    pub(super) async fn next(&mut self) -> End {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = wait_for_signal(self.hangup.as_mut()) => {}
            () = wait_for_signal(self.quit.as_mut()) => {}
        }
        End::Signal
    }
}

impl Ends {
    /// Whether one has come already, as to all processes of a terminal.
    pub(super) async fn has_come(&mut self) -> bool {
        tokio::time::timeout(JUST_NOW, self.next()).await.is_ok()
    }
}

/// Until it comes; for ever where it is not listened to.
async fn wait_for_signal(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether this program was started with SIGHUP ignored: the first bit of the mask of ignored
/// signals (proc(5)).
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

/// Until then; for ever without a deadline.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
