//! What ends a trace.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

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

/// Until then; for ever without a deadline.
pub(super) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
