//! Those who look at a trace while it runs.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    collect::{Collector, RunIdentity, SnapshotFor},
    export::Exporter,
    streams::say_to_user,
    watch::{Viewer, Watch},
};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A watch over a trace, for whoever the user wants to look.
pub(super) struct Watching {
    watch: Watch,
    due: Interval,
}

impl Watching {
    /// Begins to watch, for those who ask for metrics and for a screen; `None` if nobody looks.
    pub(super) fn begin(
        exporter: Option<Exporter>,
        metrics_workers: u16,
        screen: Option<Box<dyn Viewer>>,
    ) -> Result<Option<Self>> {
        let mut viewers: Vec<Box<dyn Viewer>> = screen.into_iter().collect();
        if let Some(exporter) = exporter {
            let address = exporter.address();
            viewers.push(
                exporter
                    .start(metrics_workers.into())
                    .context("cannot export metrics")?,
            );
            say_to_user(format_args!(
                "cowtrace: metrics at http://{address}/metrics"
            ));
        }
        if viewers.is_empty() {
            return Ok(None);
        }
        let mut due = interval(LOOK_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch::start(viewers).context("cannot start a thread")?;
        Ok(Some(Self { watch, due }))
    }

    /// Waits until they may look again.
    pub(super) async fn due(&mut self) {
        self.due.tick().await;
    }

    /// Lets them look, unless they still look at the last moment.
    pub(super) fn show(&self, collector: &mut Collector, identity: &RunIdentity) {
        if self.watch.is_ready() {
            self.watch
                .show(|| collector.snapshot(identity.clone(), SnapshotFor::Watch));
        }
    }

    /// Ends it, once they have seen the last moment.
    pub(super) fn finish(self) {
        self.watch.finish();
    }
}
