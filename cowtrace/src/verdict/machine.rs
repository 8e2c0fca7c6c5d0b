//! The machine in sentences.

use super::growth::{MachineGrowth, growth_of_tree};
use crate::{
    run::Run,
    words::{printable, seconds, shorten, size},
};

/// What the kernel has more is worth a thought of others that trace from here on, bytes.
const TRACERS_BYTES: i64 = 16 << 20;
/// Longer names of cgroups are cut.
const MAX_NAME: usize = 48;

/// What else is known of the machine, and what was not read.
pub(crate) fn note_on_machine(run: &Run, growth: &MachineGrowth) -> String {
    let mut sentences: Vec<String> = other_time(run, growth).into_iter().collect();
    if let Some(bytes) = growth.available_bytes {
        sentences.push(format!("{} are available at the end.", size(bytes)));
    }
    let place = run.machine.place.as_ref();
    match place.and_then(|it| it.limit.as_ref()) {
        Some(limit) => {
            let of = limit.cgroup.as_deref().map_or_else(String::new, |cgroup| {
                format!(" of the cgroup {}", shorten(&printable(cgroup), MAX_NAME))
            });
            sentences.push(format!(
                "The smallest limit{of} is {}.",
                size(limit.limit_bytes)
            ));
        }
        None => sentences.push("No limit of a cgroup was found.".into()),
    }
    let beside = growth.beside;
    sentences.push(if beside.is_of_service {
        "Memory of the kernel is that of the service's cgroup.".into()
    } else {
        "The service has no cgroup of its own, so the kernel's memory cannot be told apart from that for \
         others."
            .into()
    });
    if growth.kernel_bytes >= TRACERS_BYTES {
        sentences.push(
            "Tables of other tracers are the kernel's memory too, those of another cowtrace among them."
                .into(),
        );
    }
    if beside.page_tables_bytes.is_none() {
        sentences.push("Page tables of the processes were not read.".into());
    }
    match &run.machine.elsewhere {
        None => sentences.push("Other processes were not compared.".into()),
        Some(all) if all.is_partial => {
            sentences.push("There were too many other processes to compare all.".into());
        }
        Some(_) => {}
    }
    sentences.join(" ")
}

/// That the first line is about another time, if it is.
fn other_time(run: &Run, growth: &MachineGrowth) -> Option<String> {
    let tree = growth_of_tree(run)?;
    let (from, to) = (seconds(tree.from_ns), seconds(tree.to_ns()));
    let is_same = (&from, &to) == (&seconds(growth.from_ns), &seconds(growth.to_ns));
    (!is_same).then(|| {
        format!(
            "The first line is about {from} to {to}; here the calmest readings near these times are compared."
        )
    })
}

/// What is in swap: it is neither counted as held nor as shared. `None` if nothing is.
pub(super) fn swapped_in_words(run: &Run) -> Option<String> {
    let readings = run.machine.readings.iter();
    let last = readings.filter_map(|it| it.service).next_back();
    let by_status = last.map_or(0, |it| it.swapped_bytes);
    let balances = run.memory.processes.iter();
    let balances = balances.filter_map(|it| run.growth.balances_of(it.id).last());
    let pages = balances.map(|it| it.pages.swapped_pages);
    let by_pages = run.bytes(pages.fold(0, u64::saturating_add).min(1 << 40));
    let bytes = by_status.max(by_pages);
    (bytes > 0).then(|| {
        format!(
            "{} of the processes' memory is in swap: it counts neither as held nor as shared.",
            size(bytes)
        )
    })
}
