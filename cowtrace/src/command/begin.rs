//! How a trace begins: the kernel side is attached, then the processes that are there are taken in or a
//! command is started. A signal ends all of it.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    ends::Ends,
    screen::CommandOutput,
    session::{AlreadyReported, Session, TraceTarget},
    unread::UnreadTarget,
};
use crate::{
    collect::{Collector, RunIdentity},
    itself::itself_by_sudo,
    probe::{self, Probe, ProbeError, Settings},
    targets,
};

const NOTHING_TRACED: &str = "ended by a signal before anything was traced: there is no report";

/// How long to wait for the command's exec; after that we assume that it will succeed.
const BEGINNING: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Attaches the kernel side, in a thread of its own: the kernel checks it for some tenths of a second,
    /// or for many seconds on an emulated machine, and a signal must not wait for that.
    pub(super) async fn attach(&self, settings: Settings, ends: &mut Ends) -> Result<Probe> {
        let (name, kernel) = (self.options.backend.name(), self.kernel.clone());
        let runtime = Handle::current();
        let (send, attached) = oneshot::channel();
        let attach = move || {
            let _entered = runtime.enter();
            // Nobody waits for it any more where a signal came.
            let _ = send.send(probe::attach_backend(name, &kernel, settings));
        };
        let thread = thread::Builder::new().name("attach".into());
        let thread = thread.spawn(attach).context("cannot start a thread")?;
        let attached = tokio::select! {
            biased;
            _ = ends.next() => bail!("{NOTHING_TRACED}"),
            attached = attached => attached?,
        };
        // It has rights that are given up now.
        let _ = thread.join();
        attached.map_err(|error| cannot_trace(&error))
    }

    /// Begins to trace the processes that are there, or the command. Where a signal ends it, what is
    /// traced by then is reported.
    pub(super) async fn begin(
        &self,
        target: &TraceTarget<'_>,
        collector: &mut Collector,
        identity: &mut RunIdentity,
        command: &mut Option<targets::Command>,
        output: Option<&CommandOutput>,
    ) -> Result<()> {
        match target {
            TraceTarget::Running(running) => {
                identity.targets = running.pids();
                identity.untraced_donors.clone_from(&running.donors);
                identity.unread = running.unread.as_ref().map(UnreadTarget::unknown);
                if let Some(unread) = &running.unread {
                    unread.say();
                }
                let masters = &running.masters;
                if running.watch.waits() {
                    // Those of a cgroup may come and go.
                    collector.adopt_later(masters.clone()).await?;
                } else {
                    collector.adopt(masters).await?;
                }
            }
            TraceTarget::Command(words) | TraceTarget::Demo(words) => {
                let output = output.map(CommandOutput::file);
                let prepare = || targets::Command::prepare(words, output);
                let started = command.insert(self.open_files.as_before(prepare)?);
                identity.targets = vec![started.pid()];
                collector.adopt_launcher(started.pid()).await?;
                started.go_on().context("cannot resume the command")?;
                let begins = tokio::time::timeout(BEGINNING, collector.command_begins());
                if !begins.await.unwrap_or(Ok(true))? {
                    return Err(AlreadyReported.into());
                }
            }
        }
        // The demo's master stays for a walk at the end.
        if self.until.workers.is_none() || self.options.live {
            collector.walk_regularly();
        }
        Ok(())
    }
}

/// Where rights are missing that root has, with the command that traces as root.
fn cannot_trace(error: &ProbeError) -> anyhow::Error {
    let by_sudo = itself_by_sudo().filter(|_| matches!(error, ProbeError::Privilege(_)));
    let by_sudo = by_sudo.map(|command| format!(":\n  {command}"));
    anyhow!("cannot trace here: {error}{}", by_sudo.unwrap_or_default())
}

/// Fails if a signal came before any of the processes was traced.
pub(super) fn expect_some(target: &TraceTarget<'_>, collector: &Collector) -> Result<()> {
    match target {
        TraceTarget::Running(_) if collector.processes().living() == 0 => bail!("{NOTHING_TRACED}"),
        _ => Ok(()),
    }
}
