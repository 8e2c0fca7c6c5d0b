//! From what the user gave to the processes to trace, at the start and later.

use std::{path::Path, time::Instant};

use anyhow::Result;
use indicatif::ProgressBar;

use super::{
    ends::{End, Ends},
    session::{RunningTargets, TraceTarget},
    unread::UnreadTarget,
};
use crate::{
    cli::TraceArgs,
    collect::{Collector, RunIdentity},
    foreign::printable,
    memory,
    run::{TracedTarget, UntracedDonor},
    streams::say_to_user,
    targets::{self, FoundMaster, Target, TargetChange, TargetWatch, Wanted},
    words::{plural, untraced_donor},
};

const CGROUPS: &str = "/sys/fs/cgroup";
/// Masters that a run names as such, with those that come later; their processes are all there.
const MOST_MASTERS: usize = 1_024;

/// What to trace, and how it is called in reports. Says what the user may not have meant.
pub(super) fn choose_target(arguments: &TraceArgs) -> Result<(TraceTarget<'_>, Vec<TracedTarget>)> {
    if !arguments.start.is_empty() {
        let what = memory::describe_command(&arguments.start);
        let program = what.split(' ').next().unwrap_or_default();
        let name = arguments.targets.last_name.as_deref().unwrap_or(program);
        let named = TracedTarget {
            name: name.to_owned(),
            what: format!("command {what}"),
        };
        return Ok((TraceTarget::Command(&arguments.start), vec![named]));
    }
    let given = &arguments.targets.given;
    let root = Path::new("/proc");
    let (watch, masters) = TargetWatch::begin(root, Path::new(CGROUPS), given, arguments.wait)?;
    let pids: Vec<u32> = masters.iter().map(|it| it.pid).collect();
    let donors = untraced_donors(&doubtful_masters(given, &masters), &pids);
    for name in watch.names_without_processes() {
        say_to_user(format_args!(
            "cowtrace: {} has no process yet: waiting for it",
            printable(name)
        ));
    }
    let unread = UnreadTarget::among(&masters);
    let running = RunningTargets {
        masters,
        watch,
        donors,
        unread,
    };
    Ok((
        TraceTarget::Running(Box::new(running)),
        targets::named_targets(given),
    ))
}

/// Finds the targets that have their memory from a process that is not traced, and says so.
fn untraced_donors(doubtful: &[u32], all: &[u32]) -> Vec<UntracedDonor> {
    let donor = |pid: &u32| targets::untraced_donor(Path::new("/proc"), *pid, all);
    let donors: Vec<UntracedDonor> = doubtful.iter().filter_map(donor).collect();
    for donor in &donors {
        say_to_user(format_args!("cowtrace: {}", untraced_donor(donor)));
    }
    donors
}

/// Masters that may be workers: those that were given by pid, and one for each pattern.
fn doubtful_masters(given: &[Target], masters: &[FoundMaster]) -> Vec<u32> {
    let of_target = |(at, target): (usize, &Target)| {
        let own = masters.iter().filter(move |it| it.target as usize == at);
        let most = match target.wanted {
            Wanted::Pid(_) | Wanted::Match(_) => 1,
            Wanted::Cgroup(_) | Wanted::Unit(_) | Wanted::Container(_) => 0,
        };
        own.take(most).map(|it| it.pid).collect::<Vec<_>>()
    };
    given.iter().enumerate().flat_map(of_target).collect()
}

/// Begins to trace what has come to the targets since the last look; says which have lost their last process, or
/// have some again. The end, if a signal comes meanwhile.
pub(super) async fn take_in_new(
    watch: &mut TargetWatch,
    collector: &mut Collector,
    identity: &mut RunIdentity,
    ends: &mut Ends,
    progress: &ProgressBar,
) -> Result<Option<End>> {
    let begun = Instant::now();
    let seen = watch.look();
    log::debug!(
        "looked for more processes of the targets in {:?}",
        begun.elapsed()
    );
    let traced = collector.traced_pids();
    let new = watch.masters_among(seen, &traced);
    if !new.is_empty() {
        let room = MOST_MASTERS.saturating_sub(identity.targets.len());
        let pids = new.iter().map(|it| it.pid).take(room);
        identity.targets.extend(pids);
        let found = format!("found {} more: {new:?}", plural(new.len() as u64, "master"));
        tokio::select! {
            biased;
            end = ends.next() => return Ok(Some(end)),
            adopted = collector.adopt_later(new) => adopted?,
        }
        log::info!("{found}");
    }
    let processes = collector.processes();
    for change in watch.changes(|target| processes.living_of(target)) {
        progress.suspend(|| say_to_user(format_args!("cowtrace: {}", change_in_words(&change))));
    }
    Ok(None)
}

fn change_in_words(change: &TargetChange) -> String {
    let name = printable(&change.name);
    match change.processes {
        0 => format!(
            "every process of {name} has exited: waiting for it to start again; Ctrl-C ends the trace with its report"
        ),
        processes => {
            let processes = plural(processes as u64, "process");
            format!("{name} has started: tracing {processes} of it")
        }
    }
}
