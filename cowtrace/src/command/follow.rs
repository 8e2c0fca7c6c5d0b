//! A trace while it runs: what is due is done, until something ends it.

use anyhow::Result;
use indicatif::ProgressBar;
use tokio::time::Instant;

use super::{
    ends::{End, Ends, sleep_until},
    progress::{progress_text, progress_width},
    record::Recording,
    session::Session,
    targets::take_in_new,
    watching::Watching,
};
use crate::{
    collect::{Collector, Progress, RunIdentity},
    streams::say_to_user,
    targets::TargetWatch,
};

/// A trace under way.
pub(super) struct TraceUnderWay<'a> {
    pub(super) collector: &'a mut Collector,
    pub(super) recording: Option<&'a mut Recording>,
    pub(super) watching: Option<&'a mut Watching>,
    pub(super) identity: &'a mut RunIdentity,
    pub(super) watch: Option<&'a mut TargetWatch>,
}

impl Session<'_> {
    /// Follows it to its end.
    pub(super) async fn follow(
        &self,
        under_way: TraceUnderWay<'_>,
        ends: &mut Ends,
        progress: &ProgressBar,
    ) -> Result<End> {
        let deadline = self
            .until
            .duration
            .map(|duration| Instant::now() + duration);
        let mut last = Progress::default();
        let TraceUnderWay {
            collector,
            mut recording,
            mut watching,
            identity,
            mut watch,
        } = under_way;
        loop {
            tokio::select! {
                end = ends.next() => return Ok(end),
                () = sleep_until(deadline) => return Ok(End::Duration),
                done = collector.due() => {
                    if let Some(now) = done? {
                        progress.set_message(progress_text(&now, &last, self.kernel.page_bytes, progress_width()));
                        last = now;
                        if let Some(watch) = watch.as_deref_mut().filter(|it| it.waits())
                            && let Some(end) =
                                take_in_new(watch, collector, identity, ends, progress).await?
                        {
                            return Ok(end);
                        }
                    }
                }
                () = due(&mut recording) => {
                    if let Some(recording) = &mut recording
                        && let Some(warning) = recording.flush(collector, identity)
                    {
                        progress.suspend(|| say_to_user(format_args!("{warning}")));
                    }
                }
                () = look_due(&mut watching) => {
                    if let Some(watching) = &watching {
                        watching.show(collector, identity);
                    }
                }
            }
            let processes = collector.processes();
            let waits = watch.as_deref().is_some_and(TargetWatch::waits);
            if processes.masters_are_gone() && !waits {
                return Ok(End::MastersGone);
            }
            if let Some(workers) = self.until.workers
                && processes.workers_are_gone(workers)
            {
                return Ok(End::WorkersGone);
            }
        }
    }
}

/// Waits until the recording is due for a flush; for ever without one.
async fn due(recording: &mut Option<&mut Recording>) {
    match recording {
        Some(recording) => recording.due().await,
        None => std::future::pending().await,
    }
}

/// Waits until those who watch may look again; for ever if nobody does.
async fn look_due(watching: &mut Option<&mut Watching>) {
    match watching {
        Some(watching) => watching.due().await,
        None => std::future::pending().await,
    }
}
