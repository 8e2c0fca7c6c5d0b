//! What grew beside the memory of the service's processes.

use crate::{
    run::Run,
    verdict::growth::{BesideService, TreeGrowth, VerdictKind, is_kernel_part},
    words::{count, printable, shorten},
};

/// Longer names of processes are cut.
const MAX_NAME: usize = 32;
/// Others that are named.
const MOST_GROWERS: usize = 2;
/// Of the kernel's memory, what has less is not named.
const KERNEL_SHARE: f64 = 0.1;

/// A part of what grew, in words.
pub(crate) struct CardPart {
    pub(crate) what: String,
    /// `None` if there is no figure of its own.
    pub(crate) bytes: Option<u64>,
    /// Whether the verdict is about it.
    pub(crate) is_main: bool,
}

/// What the verdict is about, if that is not the memory of processes; else the kernel's memory, if it is worth a
/// word.
pub(super) fn parts_beside(run: &Run, growth: Option<&TreeGrowth>) -> Vec<CardPart> {
    let Some((growth, machine)) = growth.and_then(|it| Some((it, it.machine?))) else {
        return Vec::new();
    };
    match growth.kind {
        VerdictKind::KernelMemory => parts_of_kernel(&machine.beside),
        VerdictKind::Elsewhere => growers(run),
        VerdictKind::PageCache | VerdictKind::SharedMemory => vec![CardPart {
            what: where_it_is(run, growth, &machine.beside),
            bytes: None,
            is_main: true,
        }],
        _ if is_kernel_part(growth) => vec![CardPart {
            what: "the kernel's memory".into(),
            bytes: Some(machine.beside.kernel_bytes),
            is_main: false,
        }],
        _ => Vec::new(),
    }
}

fn where_it_is(run: &Run, growth: &TreeGrowth, beside: &BesideService) -> String {
    let is_of_service = beside.is_of_service;
    if growth.kind == VerdictKind::SharedMemory && beside.is_services_shared() {
        return "memory that processes share by mapping it: MAP_SHARED, files in /dev/shm".into();
    }
    let place = run.machine.place.as_ref();
    match place
        .and_then(|it| it.cgroup.as_deref())
        .filter(|_| is_of_service)
    {
        Some(cgroup) => format!("of the cgroup {}", shorten(&printable(cgroup), MAX_NAME)),
        None => "of the whole machine: whose it is cannot be seen".into(),
    }
}

/// Page tables, sockets, and the rest. A part of the whole machine may be more than the whole of a cgroup.
fn parts_of_kernel(beside: &BesideService) -> Vec<CardPart> {
    let page_tables = beside.page_tables_bytes.unwrap_or(0);
    let connections = count(beside.time_wait);
    let waiting = format!("{connections} more connections in TIME_WAIT");
    let named = [
        ("page tables of your processes".to_owned(), page_tables),
        ("buffers of sockets".to_owned(), beside.socket_buffers_bytes),
        (waiting, beside.time_wait_bytes),
    ];
    let mut left = beside.kernel_bytes;
    let mut parts = Vec::new();
    for (what, bytes) in named {
        let bytes = bytes.min(left);
        left -= bytes;
        parts.push((what, bytes));
    }
    parts.push(("other objects of the kernel".to_owned(), left));
    let is_worth_it = |bytes: u64| bytes as f64 >= beside.kernel_bytes as f64 * KERNEL_SHARE;
    parts.retain(|(_, bytes)| *bytes > 0 && is_worth_it(*bytes));
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let part = |(what, bytes)| CardPart {
        what,
        bytes: Some(bytes),
        is_main: true,
    };
    parts.into_iter().map(part).collect()
}

fn growers(run: &Run) -> Vec<CardPart> {
    let all = run.machine.elsewhere.iter().flat_map(|it| &it.growers);
    let part = |it: &crate::run::GrownProcess| {
        let name = shorten(&printable(&it.consumer.name), MAX_NAME);
        let new = if it.is_new { ", started meanwhile" } else { "" };
        CardPart {
            what: format!("{name} ({}{new})", it.consumer.pid),
            bytes: Some(run.bytes(it.grown_pages)),
            is_main: true,
        }
    };
    all.take(MOST_GROWERS).map(part).collect()
}
