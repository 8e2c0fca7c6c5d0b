//! When a collector does which part of its work.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::probe::{Probe, ProbeError};

/// Between two readings of the evidence: a processor's ring holds what it records in this time, and most
/// workers live longer.
const EVIDENCE_INTERVAL: Duration = Duration::from_millis(50);
/// Between two readings because of a process event: a worker's writers can be named while its parent
/// lives, which may be only some milliseconds longer.
const SOONEST_EVIDENCE: Duration = Duration::from_millis(5);

/// Why a trace cannot continue.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The runtime cannot wait for the kernel side.
    #[error("cannot wait for events of the kernel side")]
    Wait(#[source] io::Error),
    /// A hook that several threads need was refused.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Processes have come or gone.
    Events,
    /// Evidence is to be read.
    Evidence,
    /// The counters are to be read.
    Tick,
}

/// The times at which parts of the work are due.
pub(super) struct Schedule {
    ticks: Interval,
    /// None if the trace takes no evidence.
    evidence: Option<Interval>,
    /// When evidence was last read.
    evidence_read: Instant,
}

impl Schedule {
    /// Begins now, with a tick each `interval`.
    pub(super) fn new(tick_interval: Duration, has_evidence: bool) -> Self {
        let every = |period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self {
            ticks: every(tick_interval),
            evidence: has_evidence.then(|| every(EVIDENCE_INTERVAL)),
            evidence_read: Instant::now(),
        }
    }

    /// Waits until something is due. Loses nothing if it is dropped meanwhile.
    pub(super) async fn next(&mut self, probe: &Probe) -> Result<Due, CollectError> {
        tokio::select! {
            ready = probe.wait() => ready.map(|()| Due::Events).map_err(CollectError::Wait),
            () = next_of(&mut self.evidence) => Ok(Due::Evidence),
            _ = self.ticks.tick() => Ok(Due::Tick),
        }
    }

    /// Whether evidence is to be read now because of a process event.
    pub(super) fn is_evidence_due(&self) -> bool {
        self.evidence.is_some() && self.evidence_read.elapsed() >= SOONEST_EVIDENCE
    }

    /// Notes that evidence was read.
    pub(super) fn note_evidence(&mut self) {
        self.evidence_read = Instant::now();
    }
}

/// Waits for an interval; for ever without one.
async fn next_of(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
