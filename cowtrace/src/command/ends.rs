//! What ends a trace.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

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
    signals: [Signal; 3],
}

impl Ends {
    /// From now on none of them ends the program.
    pub(super) fn listen() -> io::Result<Self> {
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        Ok(Self { signals })
    }

    /// Until one comes.
    pub(super) async fn next(&mut self) -> End {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
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

/// Until then; for ever without a deadline.
pub(super) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
