//! The verdict in one line.

use super::{
    super::{before::much_unshared_before, endings::victims, free_memory::FreePages},
    machine::BesideService,
    shape::{FLOOR_BYTES, GrowthShape, SOON_NS},
    tree::{TreeGrowth, VerdictKind},
};
use crate::{
    run::{Process, Role, Run},
    words::{count, percent, plural, seconds, size},
};

/// A command that ends sooner has done next to nothing, ns.
const MOMENT_NS: u64 = 1_000_000_000;
/// Copies of processes that have ended are worth a word from here on, bytes.
const A_LITTLE_BYTES: u64 = 1 << 20;
const NEW_IN_FREE: &str = "NEW OBJECTS IN FREE MEMORY OF THE MASTER";

/// The verdict in one line: in capitals what it is, then its figures.
pub(crate) fn verdict_in_words(run: &Run, growth: &TreeGrowth) -> String {
    let time = seconds(growth.duration_ns);
    let (copied, new) = (size(growth.held_bytes), size(growth.new_bytes));
    match growth.kind {
        VerdictKind::CopyOnWrite => copy_on_write(run, growth, &time),
        VerdictKind::Growing if !victims(run).is_empty() => format!(
            "MEMORY GROWS UNTIL THE KERNEL KILLS: {} in {time}; {new} of new memory at the end",
            plural(victims(run).len() as u64, "process"),
        ),
        VerdictKind::Growing => format!(
            "NEW MEMORY KEEPS GROWING: {new} in {time}, {}/s at the end",
            size(growth.new_rate)
        ),
        VerdictKind::Both => {
            format!("NEW MEMORY KEEPS GROWING: {new} in {time}, and {copied} copied on write")
        }
        VerdictKind::GrowsUntilReplaced => until_replaced(growth, &time),
        VerdictKind::WarmedUp => {
            let since = match growth.shape {
                GrowthShape::Stopped(ns) => seconds(ns),
                _ => time.clone(),
            };
            format!("NEW MEMORY THAT STOPPED GROWING {since} AGO: {new} in {time}, {copied} copied")
        }
        VerdictKind::ComesAndGoes => comes_and_goes(run, growth, &time),
        VerdictKind::TooEarly => too_early(run, growth, &time),
        VerdictKind::KernelMemory
        | VerdictKind::SharedMemory
        | VerdictKind::PageCache
        | VerdictKind::Elsewhere => beside(growth, &time),
        VerdictKind::NothingGrew => ended_at_once(run)
            .or_else(|| attached_late(run, growth))
            .unwrap_or_else(|| nothing_grew(run, growth, &time)),
    }
}

/// Of what memory grew by; or of what others took, where processes that ended gave back a good part.
fn copy_on_write(run: &Run, growth: &TreeGrowth, time: &str) -> String {
    let share = percent(growth.copied_share());
    let all = size(growth.growth_bytes());
    match share_of_free_memory(run, growth) {
        Some(share) => format!("{NEW_IN_FREE}: {share} of {all} of growth in {time}"),
        None if growth.has_successors() => format!(
            "COPY-ON-WRITE, NOT A LEAK: {share} of {all} in {time}; processes that ended gave back {}",
            size(growth.ended_bytes)
        ),
        None => {
            format!("COPY-ON-WRITE, NOT A LEAK: {share} of the {all} that memory grew by in {time}")
        }
    }
}

/// What there was to see nevertheless; so far, where processes have not lived for long and may do more.
fn nothing_grew(run: &Run, growth: &TreeGrowth, time: &str) -> String {
    let mut processes = run.memory.processes.iter();
    let may_do_more = growth.duration_ns < SOON_NS && processes.any(|it| it.exited_ns.is_none());
    let so_far = if may_do_more { "SO FAR " } else { "" };
    let ended = growth.copied_bytes.saturating_sub(growth.held_bytes);
    if ended > growth.held_bytes && ended >= A_LITTLE_BYTES {
        let all = size(growth.copied_bytes);
        return format!(
            "{so_far}NOTHING GREW IN {time}: {all} copied on write, mostly by processes that ended"
        );
    }
    let amount = if growth.growth_bytes() == 0 {
        "NOTHING"
    } else {
        "LITTLE"
    };
    let (copied, new) = (size(growth.held_bytes), size(growth.new_bytes));
    format!("{so_far}{amount} GREW IN {time}: {copied} copied on write, {new} of new memory")
}

/// Where each worker grows until another one takes its place.
fn until_replaced(growth: &TreeGrowth, time: &str) -> String {
    let Some(lives) = growth.lives else {
        return String::new();
    };
    let (each, number) = (size(lives.bytes), count(lives.replaced));
    let whole = if lives.is_flat {
        "; all together stay flat"
    } else {
        ""
    };
    format!(
        "EACH WORKER GROWS BY ABOUT {each} UNTIL IT IS REPLACED: {number} replaced in {time}{whole}"
    )
}

/// Which share of the growth is new objects in memory that was free, where most copies are: these need
/// memory as any new object does, and may be a leak.
fn share_of_free_memory(run: &Run, growth: &TreeGrowth) -> Option<String> {
    let free = FreePages::of(run).filter(FreePages::are_most)?;
    Some(percent(free.share * growth.copied_share()))
}

fn comes_and_goes(run: &Run, growth: &TreeGrowth, time: &str) -> String {
    if growth.copied_bytes > growth.touched_bytes {
        let workers = run.workforce().workers;
        let wrote = workers.iter().filter(|it| it.copied_pages > 0).count();
        let workers = match wrote as u64 {
            0 => {
                let copies = |it: &&Process| it.copied.total() > 0;
                let number = run.memory.processes.iter().filter(copies).count();
                plural(number as u64, "process")
            }
            number => plural(number, "worker"),
        };
        let copied = size(growth.copied_bytes);
        // Processes that lived for less than a tick were never seen with what they had copied.
        let largest = run.memory.processes.iter().map(|it| it.copied.total());
        // The peak is the most of samples.
        let held = match growth.peak_held_bytes {
            0 if workers.starts_with("1 ") => "which has exited".into(),
            0 => "which have exited".into(),
            peak => {
                let peak = peak.max(run.bytes(largest.max().unwrap_or(0)));
                format!("about {} at a time", size(peak.min(growth.copied_bytes)))
            }
        };
        return format!("COPY-ON-WRITE WORK, LITTLE MEMORY: {copied} copied by {workers}, {held}");
    }
    format!(
        "MEMORY COMES AND GOES: {} touched and {} given back in {time}",
        size(growth.touched_bytes),
        size(growth.returned_bytes)
    )
}

/// Where nothing grew since the workers had copied before the trace what they copy.
fn attached_late(run: &Run, growth: &TreeGrowth) -> Option<String> {
    much_unshared_before(run, FLOOR_BYTES).map(|(before, inherited)| {
        let (before, inherited) = (size(before), size(inherited));
        let copied = match growth.copied_bytes {
            0 => "NOTHING WAS COPIED IN THIS TRACE".into(),
            bytes => format!("ONLY {} COPIED IN THIS TRACE", size(bytes)),
        };
        format!("{copied}: workers had unshared {before} of {inherited} before it")
    })
}

/// Where a command ended before it could do anything, without a worker.
fn ended_at_once(run: &Run) -> Option<String> {
    let processes = &run.memory.processes;
    let is_command = |it: &Process| it.role == Role::Master && it.started_ns > 0;
    if processes.is_empty() || !processes.iter().all(is_command) {
        return None;
    }
    let started_ns = processes.iter().map(|it| it.started_ns).min()?;
    let last = processes.last()?;
    let lived_ns = last.exited_ns?.saturating_sub(started_ns);
    let how = last.exit?.in_words().to_uppercase();
    (lived_ns < MOMENT_NS)
        .then(|| format!("THE COMMAND {how} AT ONCE, BEFORE ANYTHING COULD BE SEEN"))
}

/// Where something else grew than the memory of processes.
fn beside(growth: &TreeGrowth, time: &str) -> String {
    let beside = growth.machine.unwrap_or_default().beside;
    let of_service = beside.is_of_service;
    if growth.kind == VerdictKind::SharedMemory && beside.services_shared_bytes > 0 {
        return shared_of_service(growth, &beside, time);
    }
    let (what, bytes) = match growth.kind {
        VerdictKind::KernelMemory if beside.is_services_kernel => {
            ("KERNEL MEMORY, NOT YOUR PROCESSES", beside.kernel_bytes)
        }
        VerdictKind::KernelMemory => ("KERNEL MEMORY OF THE MACHINE GREW", beside.kernel_bytes),
        VerdictKind::SharedMemory if of_service => ("SHARED MEMORY GREW", beside.shared_bytes),
        VerdictKind::SharedMemory => ("SHARED MEMORY OF THE MACHINE GREW", beside.shared_bytes),
        VerdictKind::PageCache if of_service => (
            "PAGE CACHE, WHICH CAN BE GIVEN BACK",
            beside.page_cache_bytes,
        ),
        VerdictKind::PageCache => (
            "PAGE CACHE OF THE MACHINE, WHICH CAN BE GIVEN BACK",
            beside.page_cache_bytes,
        ),
        _ => (
            "ELSEWHERE ON THE MACHINE",
            beside.elsewhere_bytes.unwrap_or(0),
        ),
    };
    let processes = size(growth.growth_bytes());
    format!(
        "{what}: {} in {time}; your processes: {processes}",
        size(bytes)
    )
}

/// Where shared memory grew, and processes of the service have more of it.
fn shared_of_service(growth: &TreeGrowth, beside: &BesideService, time: &str) -> String {
    let shared = size(beside.shared_bytes);
    let own = size(beside.services_shared_bytes);
    let part = if beside.services_shared_bytes < beside.shared_bytes {
        format!("{own} of it in this service")
    } else {
        "in this service".into()
    };
    let private = match growth.growth_bytes() {
        0 => "no private memory grew".into(),
        bytes => format!("private memory: {}", size(bytes)),
    };
    format!("SHARED MEMORY GREW: {shared} in {time}, {part}; {private}")
}

/// What it looks like so far.
fn too_early(run: &Run, growth: &TreeGrowth, time: &str) -> String {
    let (all, share) = (size(growth.growth_bytes()), growth.copied_share());
    let of_free = share_of_free_memory(run, growth);
    if let Some(share) = of_free.filter(|_| share >= 0.5) {
        return format!("SO FAR {NEW_IN_FREE}: {share} of {all} in {time}");
    }
    let (what, share) = if share >= 0.5 {
        ("COPY-ON-WRITE", percent(share))
    } else {
        ("NEW MEMORY", percent(1.0 - share))
    };
    if run.memory.processes.iter().all(|it| it.exited_ns.is_some()) {
        return format!("{what} UNTIL ALL HAD ENDED: {share} of {all} in {time}");
    }
    // The time was enough: it is the curve that leaves it open.
    let open = if growth.duration_ns < SOON_NS {
        "too early to say if it goes on".into()
    } else {
        format!(
            "new memory grew by {}/s at the end, and may stop",
            size(growth.new_rate)
        )
    };
    format!("SO FAR {what}: {share} of {all} in {time}; {open}")
}
