//! The answer in one sentence, and the facts that belong to it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    anew::how_to_fork_anew, before::unshared_before_in_all, endings::failures_in_words,
    growth::growth_of_tree, kinship::names_of_images, machine::swapped_in_words,
    runtimes::unread_runtime,
};
use crate::{
    run::{BalanceIs, OtherProcesses, Role, Run, UNREAD, Workers},
    words::{
        count, named, owned_name, percent, plural, printable, program_of, seconds, shorten, size,
        untraced_donor,
    },
};

/// From this share on, the other processes are not mentioned.
const NEARLY_ALL: f64 = 0.99;

/// If a few workers made this share of the copies, they are named separately; likewise a part of the trace.
const MOST: f64 = 0.95;
/// So much at both ends of a trace may have no sample of memory, ns.
const SAMPLES_NS: u64 = 2_000_000_000;
/// Workers count as a few if they are at most one in this many.
const FEW: usize = 2;

/// The answer in one sentence.
pub(crate) fn summary(run: &Run) -> String {
    if run.head.unfinished && run.memory.processes.is_empty() {
        return "No process was traced so far".into();
    }
    let copied = run.copied().total();
    if copied == 0 {
        let workers = plural(run.workforce().workers.len() as u64, "worker");
        return format!(
            "No page was copied on write in {} ({workers} seen)",
            seconds(run.head.duration_ns)
        );
    }
    let mut text = format!(
        "{} copied on write{} in {}: {}",
        size(run.bytes(copied)),
        copiers(run, copied),
        seconds(run.head.duration_ns),
        plural(copied, "page"),
    );
    if let Some((pages, name)) = main_source(run, copied) {
        let share = percent(pages as f64 / copied as f64);
        let of_them = if copied == 1 { "" } else { " of them" };
        let _ = write!(text, ", {share}{of_them} from {name}");
    }
    text
}

/// Facts that belong to the answer, one sentence each.
pub(crate) fn facts(run: &Run) -> Vec<String> {
    let mut facts: Vec<String> = unshared_in_words(run).into_iter().collect();
    facts.extend(about_workers(run));
    facts.extend(how_to_fork_anew(run).map(|how| format!("To count all, {how}.")));
    if run.reused_faults() > 0 {
        facts.push(format!(
            "{} needed no copy and cost no memory.",
            plural(run.reused_faults(), "other write fault")
        ));
    }
    facts.extend(about_method(run));
    facts
}

/// Those of the facts that a reader of the first lines needs.
pub(crate) fn main_facts(run: &Run) -> Vec<String> {
    let mut facts = about_workers(run);
    facts.extend(about_method(run));
    facts
}

fn unshared_in_words(run: &Run) -> Option<String> {
    let share = unshared_share(run)?;
    let all = size(run.ceiling_bytes()?);
    let what = if earlier_workers(run) == 0 {
        format!("is no longer shared; copies of all of it would use {all}")
    } else {
        "was copied in this trace".into()
    };
    Some(format!(
        "{} of the {all} that {} inherited {what}.",
        percent(share),
        plural(run.workforce().workers.len() as u64, "worker"),
    ))
}

fn about_workers(run: &Run) -> Vec<String> {
    let donors = run.head.untraced_donors.iter();
    let mut facts: Vec<String> = donors
        .map(|it| format!("Process {}.", untraced_donor(it)))
        .collect();
    facts.extend(copied_before(run));
    facts.extend(no_frames(run));
    facts.extend(no_counts(run));
    facts.extend(swapped_in_words(run));
    facts.extend(failures_in_words(run));
    facts.extend(no_workers(run, &run.workforce()));
    facts
}

fn about_method(run: &Run) -> Vec<String> {
    let mut facts: Vec<String> = unread_runtime(run).into_iter().collect();
    facts.extend(time_of_verdict(run));
    if run.head.unfinished {
        facts.push(format!(
            "The trace was cut off, or goes on: this is what it had counted after {}, before \
             variables were looked for and its last functions named.",
            seconds(run.head.duration_ns)
        ));
    }
    facts.push(format!(
        "Measured with the {} backend on Linux {} ({}), counted in ranges of {}.",
        printable(&run.head.backend),
        shorten(&printable(&run.head.host.kernel), 24),
        printable(&run.head.host.arch),
        size(run.memory.range_bytes)
    ));
    let (unread, unseen): (Vec<_>, Vec<_>) = run
        .head
        .unseen
        .iter()
        .map(|it| printable(it))
        .partition(|it| it.starts_with(UNREAD));
    if !unseen.is_empty() {
        facts.push(format!("This backend does not see: {}.", unseen.join(", ")));
    }
    for what in unread {
        facts.push(format!("Not known are {what}."));
    }
    facts
}

/// Where the first line is not about the whole trace.
fn time_of_verdict(run: &Run) -> Option<String> {
    let growth = growth_of_tree(run)?;
    let left_out_ns = run.head.duration_ns.saturating_sub(growth.duration_ns);
    let is_nearly_all = left_out_ns as f64 <= run.head.duration_ns as f64 * (1.0 - MOST);
    (!is_nearly_all && left_out_ns > SAMPLES_NS).then(|| {
        format!(
            "The first line is about {} to {} of the trace: from the first fork on, while workers lived.",
            seconds(growth.from_ns),
            seconds(growth.to_ns()),
        )
    })
}

/// What is missing where the kernel showed no page frames.
fn no_frames(run: &Run) -> Option<String> {
    let mut balances = run.growth.balances.iter();
    let is_coarse = balances.any(|it| it.pages.is == BalanceIs::Coarse);
    let what = "The kernel showed no page frames (that takes CAP_SYS_ADMIN): what was unshared before the \
                trace is not known.";
    is_coarse.then(|| what.into())
}

/// What is missing where cowtrace could not read which pages processes have.
fn no_counts(run: &Run) -> Option<String> {
    let is_unknown = run.workforce().inherited_pages().is_none();
    let what = "How much the workers inherited is not known, so neither is how much of it they still share: \
                cowtrace could not read which pages there were. Of a process of another user that takes \
                CAP_DAC_READ_SEARCH.";
    is_unknown.then(|| what.into())
}

/// Descendants that are not workers, with their copies; or that there were no descendants.
fn no_workers(run: &Run, workforce: &Workers<'_>) -> Option<String> {
    let others = [
        helpers(&workforce.helpers),
        started(run, &workforce.started),
    ];
    let pages = [
        workforce.helpers.copied_pages,
        workforce.started.copied_pages,
    ];
    let others: Vec<String> = others
        .into_iter()
        .zip(pages)
        .filter_map(|(what, pages)| Some(format!("{} ({})", what?, size(run.bytes(pages)))))
        .collect();
    if !others.is_empty() {
        let others = others.join(" and ");
        return Some(format!("Not counted as workers: {others}."));
    }
    (workforce.workers.is_empty() && !run.memory.processes.is_empty())
        .then(|| "No worker was seen: what was traced had no children and forked none.".into())
}

/// `72 short-lived children of bash`.
fn helpers(helpers: &OtherProcesses<'_>) -> Option<String> {
    let number = helpers.processes as u64;
    let of = match helpers.parents.first() {
        Some(parent) if helpers.parents.len() == 1 => format!(" of {}", named(parent)),
        _ => " of wrapping programs".into(),
    };
    let children = if number == 1 { "child" } else { "children" };
    (number > 0).then(|| format!("{} short-lived {children}{of}", count(number)))
}

/// `4 processes that were started anew (gunicorn)`: by what they run.
fn started(run: &Run, started: &OtherProcesses<'_>) -> Option<String> {
    let number = started.processes as u64;
    let what = if number == 1 {
        "process that was started anew"
    } else {
        "processes that were started anew"
    };
    let programs = names_of_images(run, &started.last_images);
    (number > 0).then(|| format!("{} {what} ({programs})", count(number)))
}

/// Workers that were already running when the trace began.
pub(crate) fn earlier_workers(run: &Run) -> usize {
    let workers = run.workforce().workers;
    let earlier = workers
        .iter()
        .filter(|worker| worker.forked.started_ns == 0);
    earlier.count()
}

fn copied_before(run: &Run) -> Option<String> {
    let earlier = earlier_workers(run);
    let they = match earlier {
        0 => return None,
        1 => "1 worker was there before: what it".into(),
        _ if earlier == run.workforce().workers.len() => {
            "The workers were there before: what they".into()
        }
        _ => format!("{earlier} workers were there before: what they"),
    };
    if unshared_before_in_all(run).is_some_and(|(pages, _)| pages == 0) {
        return Some(match earlier {
            1 => "1 worker was there before, and had copied nothing by then.".into(),
            _ => format!("{earlier} workers were there before, and had copied nothing by then."),
        });
    }
    let by_then = unshared_before_in_all(run).map_or_else(String::new, |(pages, of)| {
        format!(
            " (at most {} of {})",
            size(run.bytes(pages)),
            size(run.bytes(of))
        )
    });
    Some(format!(
        "{they} had copied by then{by_then} is not counted."
    ))
}

/// The share of the workers' inherited memory that is no longer shared; none if nothing was copied
/// or inherited, or if it is not known how much was inherited.
pub(crate) fn unshared_share(run: &Run) -> Option<f64> {
    let unshared = unshared_bytes(run)?;
    Some(unshared as f64 / run.ceiling_bytes()? as f64)
}

/// The workers' inherited memory that is no longer shared, bytes; none as for the share.
pub(super) fn unshared_bytes(run: &Run) -> Option<u64> {
    let ceiling = run.ceiling_bytes()?;
    (ceiling > 0 && run.copied().total() > 0).then(|| {
        let donors = run.workforce().donors();
        let theirs = run
            .memory
            .regions
            .iter()
            .filter(|region| donors.contains(&region.process_id));
        let unshared: u64 = theirs.map(|region| region.unshared_pages).sum();
        run.bytes(unshared).min(ceiling)
    })
}

/// What was lost, one sentence per cause, first what concerns totals.
pub(crate) fn losses(run: &Run) -> Vec<String> {
    let mut told: Vec<_> = run.loss.happened().collect();
    told.retain(|(cause, _)| cause.is_loss);
    told.sort_by_key(|(cause, _)| !cause.totals_suffer);
    let told = told.into_iter();
    told.map(|(cause, number)| {
        let warning = if cause.totals_suffer {
            " (totals may be too low)"
        } else {
            ""
        };
        format!("{} {}{warning}", count(number), cause.words(number))
    })
    .collect()
}

/// ` by 4 workers`, `, 97 % by 2 of 74 workers,`, ` by 2 workers and the master`.
fn copiers(run: &Run, copied: u64) -> String {
    let workforce = run.workforce();
    let mut pages: Vec<u64> = workforce
        .workers
        .iter()
        .map(|worker| worker.copied_pages)
        .collect();
    pages.retain(|pages| *pages > 0);
    let share = |pages: u64| pages as f64 / copied as f64;
    let of_workers: u64 = pages.iter().sum();
    let others = other_copiers(run, &workforce, copied);
    if pages.is_empty() || share(of_workers) <= 1.0 - NEARLY_ALL {
        return format!(" by {}", listed(&others));
    }
    pages.sort_unstable_by_key(|pages| Reverse(*pages));
    let mut sum = 0;
    let leading = pages.iter().position(|pages| {
        sum += pages;
        share(sum) >= MOST
    });
    let workers = plural(pages.len() as u64, "worker");
    match leading.map(|last| last + 1) {
        Some(few) if few * FEW <= pages.len() => {
            format!(", {} by {few} of {workers},", percent(share(sum)))
        }
        _ if share(of_workers) >= NEARLY_ALL => format!(" by {workers}"),
        _ => {
            let all = [&[workers], others.as_slice()].concat();
            format!(" by {}", listed(&all))
        }
    }
}

/// Who copied besides the workers, most pages first; processes with almost no copies are left out,
/// except the first.
fn other_copiers(run: &Run, workforce: &Workers<'_>, copied: u64) -> Vec<String> {
    let masters = run
        .memory
        .processes
        .iter()
        .filter(|process| process.role == Role::Master && process.copied.total() > 0);
    let pids: BTreeSet<u32> = masters.clone().map(|master| master.pid).collect();
    let who = if pids.len() > 1 {
        "the masters"
    } else {
        "the master"
    };
    let mut others = vec![
        (
            masters.map(|master| master.copied.total()).sum(),
            Some(who.to_owned()),
        ),
        (workforce.helpers.copied_pages, helpers(&workforce.helpers)),
        (
            workforce.started.copied_pages,
            started(run, &workforce.started),
        ),
    ];
    others.sort_by_key(|(pages, _)| Reverse(*pages));
    let is_shown =
        |pages: u64, place: usize| place == 0 || pages as f64 / copied as f64 > 1.0 - NEARLY_ALL;
    let others = others.into_iter().enumerate();
    others
        .filter(|(place, (pages, _))| is_shown(*pages, *place))
        .filter_map(|(_, (_, name))| name)
        .collect()
}

/// `a`, `a and b`, `a, b and c`.
fn listed(parts: &[String]) -> String {
    match parts.split_last() {
        None => "the master".into(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Where most copies come from: one mapping if it has half of them, otherwise all memory of the
/// process that has most.
fn main_source(run: &Run, copied: u64) -> Option<(u64, String)> {
    let top = *run.regions_by_copies().first()?;
    if top.copied_pages * 2 >= copied {
        return Some((top.copied_pages, owned_name(run, top)));
    }
    let mut owners: BTreeMap<u32, u64> = BTreeMap::new();
    for region in &run.memory.regions {
        *owners.entry(region.process_id).or_default() += region.copied_pages;
    }
    let (owner, pages) = owners.into_iter().max_by_key(|(_, pages)| *pages)?;
    let process = run.process(owner)?;
    let owner = format!("memory of {} ({})", program_of(run, process), process.pid);
    Some((pages, owner))
}
