//! A profile of the next seconds: what was copied in them, and from where.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use crate::{
    report::run_as_pprof,
    run::{CopiedBefore, Run},
};

/// A client that waits for a profile.
#[derive(Debug)]
pub(super) struct ProfileRequest {
    /// How long it is to take.
    pub(super) length: Duration,
    /// Where it goes.
    pub(super) reply: oneshot::Sender<Vec<u8>>,
}

/// A profile under way.
#[derive(Debug)]
pub(super) struct ProfileUnderWay {
    request: ProfileRequest,
    begun: Instant,
    begun_at: SystemTime,
    before: CopiedBefore,
}

impl ProfileUnderWay {
    /// Begins with the run as it is.
    pub(super) fn begin(request: ProfileRequest, run: &Run) -> Self {
        Self {
            request,
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            before: CopiedBefore::of(run),
        }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.request.reply.is_closed()
    }

    /// Whether its time is over.
    pub(super) fn is_due(&self) -> bool {
        self.begun.elapsed() >= self.request.length
    }

    /// Sends what the run has more by now.
    pub(super) fn finish(self, run: &Run) {
        let mut part = self.before.since(run);
        part.head.started_at = humantime::format_rfc3339_millis(self.begun_at).to_string();
        let mut bytes = Vec::new();
        if run_as_pprof(&part, &mut bytes).is_ok() {
            let _ = self.request.reply.send(bytes);
        }
    }
}
