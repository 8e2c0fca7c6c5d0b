//! What ends a trace.

use std::{io, time::Duration};

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

    /// Whether one has come, without waiting.
    pub(super) async fn has_come(&mut self) -> bool {
        // The runtime looks for signals when nothing else is to be done.
        tokio::task::yield_now().await;
        tokio::time::timeout(Duration::ZERO, self.next())
            .await
            .is_ok()
    }
}

/// Until then; for ever without a deadline.
pub(super) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
