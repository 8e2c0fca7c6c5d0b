//! The verdict in one line.

use super::{
    super::{before::much_unshared_before, endings::victims, free_memory::FreePages},
    machine::BesideService,
    shape::{FLOOR_BYTES, GrowthShape},
    tree::{TreeGrowth, VerdictKind},
};
use crate::{
    run::Run,
    words::{percent, plural, seconds, size},
};

const NEW_IN_FREE: &str = "NEW OBJECTS IN FREE MEMORY OF THE MASTER";

/// The verdict in one line: in capitals what it is, then its figures.
pub(crate) fn verdict_in_words(run: &Run, growth: &TreeGrowth) -> String {
    let time = seconds(growth.duration_ns);
    let share = percent(growth.copied_share());
    let all = size(growth.growth_bytes());
    let (copied, new) = (size(growth.held_bytes), size(growth.new_bytes));
    match growth.kind {
        VerdictKind::CopyOnWrite => match share_of_free_memory(run, growth) {
            Some(share) => format!("{NEW_IN_FREE}: {share} of {all} of growth in {time}"),
            None => format!(
                "COPY-ON-WRITE, NOT A LEAK: {share} of the {all} that memory grew by in {time}"
            ),
        },
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
        VerdictKind::NothingGrew => attached_late(run).unwrap_or_else(|| {
            format!("NOTHING GREW IN {time}: {copied} copied on write, {new} of new memory")
        }),
    }
}

/// Which share of the growth is new objects in memory that was free, where most copies are: these need
/// memory as any new object does, and may be a leak.
fn share_of_free_memory(run: &Run, growth: &TreeGrowth) -> Option<String> {
    let free = FreePages::of(run).filter(FreePages::are_most)?;
    Some(percent(free.share * growth.copied_share()))
}

fn comes_and_goes(run: &Run, growth: &TreeGrowth, time: &str) -> String {
    if growth.copied_bytes > growth.touched_bytes {
        let workers = plural(run.workforce().workers.len() as u64, "worker");
        let copied = size(growth.copied_bytes);
        // Processes that lived for less than a tick were never seen with what they had copied.
        let held = match growth.peak_held_bytes {
            0 => "which have exited".into(),
            peak => format!("at most {} at a time", size(peak)),
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
fn attached_late(run: &Run) -> Option<String> {
    much_unshared_before(run, FLOOR_BYTES).map(|(before, inherited)| {
        format!(
            "NOTHING WAS COPIED IN THIS TRACE: {} of {} were unshared before it",
            size(before),
            size(inherited)
        )
    })
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
        format!("SO FAR {NEW_IN_FREE}: {share} of {all} in {time}")
    } else if share >= 0.5 {
        let share = percent(share);
        format!("SO FAR COPY-ON-WRITE: {share} of {all} in {time}; too early to say if it goes on")
    } else {
        let share = percent(1.0 - share);
        format!("SO FAR NEW MEMORY: {share} of {all} in {time}; too early to say if it goes on")
    }
}
