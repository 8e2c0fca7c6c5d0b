//! Checks that a file's values are possible for a run: sums, references, nothing that contradicts itself.

use std::collections::HashMap;

use super::{
    check_machine::check_machine, columns::Damage, sums::check_sums, targets::check_targets,
};
use crate::run::{Row, Run, Sample, Sources, Stack};

/// Page sizes that some architecture has.
const PAGE_BYTES: std::ops::RangeInclusive<u64> = 4096..=65_536;
/// Range sizes that a user can choose.
const MOST_RANGE_BYTES: u64 = 1 << 30;

/// How much later than the run's end a process may have events. The end is measured by cowtrace,
/// events by the kernel, and detaching the hooks of a large machine takes seconds, during which the
/// run still collects.
const NOTICED_LATE_NS: u64 = 10_000_000_000;

/// Refuses values that reports cannot calculate with.
pub(super) fn check_run(run: &Run) -> Result<(), Damage> {
    let page_bytes = run.head.host.page_bytes;
    if !page_bytes.is_power_of_two() || !PAGE_BYTES.contains(&page_bytes) {
        return Err(Damage("run.page_bytes is no size of a page".into()));
    }
    let range_bytes = run.memory.range_bytes;
    if !range_bytes.is_power_of_two() || !(page_bytes..=MOST_RANGE_BYTES).contains(&range_bytes) {
        return Err(Damage("run.range_bytes is no size of a range".into()));
    }
    check_sums(run)?;
    check_machine(run)?;
    check_unnamed(run)?;
    check_targets(run)?;
    check_times(run)?;
    check_addresses(run)?;
    check_references(run)?;
    check_agreement(run)
}

/// Refuses functions without names, and files, that are not in the order in which they are looked up.
fn check_unnamed(run: &Run) -> Result<(), Damage> {
    let functions = &run.who_wrote.unnamed_functions;
    if !functions.is_sorted_by(|one, next| one.function < next.function) {
        return Err(Damage("unnamed_functions: one is out of order".into()));
    }
    let files = &run.who_wrote.stripped_files;
    if !files.is_sorted_by(|one, next| one.module < next.module) {
        return Err(Damage("stripped_files: one is out of order".into()));
    }
    Ok(())
}

/// Refuses impossible times, and processes that would be their own ancestors.
fn check_times(run: &Run) -> Result<(), Damage> {
    let refused = |what: String| Err(Damage(what));
    if humantime::parse_rfc3339(&run.head.started_at).is_err() {
        return refused("run.started_at is no date by RFC 3339".into());
    }
    let end_ns = run.head.duration_ns.saturating_add(NOTICED_LATE_NS);
    for process in &run.memory.processes {
        let id = process.id;
        if process.parent_id.is_some_and(|parent| parent >= id) {
            return refused(format!("process {id} is older than its parent"));
        }
        if process.exited_ns.is_some_and(|at| at < process.started_ns) {
            return refused(format!("process {id} ended before it began"));
        }
        if process.exited_ns.unwrap_or(process.started_ns) > end_ns {
            return refused(format!("process {id} has times after the end of the run"));
        }
    }
    let mut before_ns = 0;
    for sample in &run.memory.timeline.samples {
        if sample.at_ns < before_ns {
            return refused(format!(
                "timeline: the sample at {} ns is out of order",
                sample.at_ns
            ));
        }
        if sample.at_ns > end_ns {
            let at_ns = sample.at_ns;
            return refused(format!(
                "timeline: the sample at {at_ns} ns is after the end of the run"
            ));
        }
        before_ns = sample.at_ns;
    }
    Ok(())
}

fn check_addresses(run: &Run) -> Result<(), Damage> {
    let is_turned = |region: &crate::run::Region| region.mapping.start > region.mapping.end;
    if run.memory.regions.iter().any(is_turned) {
        return Err(Damage("regions: one ends before it begins".into()));
    }
    let leaves = |row: &Row| {
        let end = row
            .start
            .map(|start| start.checked_add(run.memory.range_bytes));
        end == Some(None)
    };
    if run.memory.rows.iter().any(leaves) {
        return Err(Damage("ranges: one ends past all addresses".into()));
    }
    Ok(())
}

/// A range may refer to a region that is not listed, if it has no copies there.
fn check_references(run: &Run) -> Result<(), Damage> {
    let has_process = |id: u32| run.process(id).is_some();
    let has_region = |id: Option<u32>| id.is_none_or(|id| run.region(id).is_some());
    let has_stack =
        |id: Option<u32>, stacks: &[Stack]| id.is_none_or(|id| (id as usize) < stacks.len());
    let missing = |what: &str| Err(Damage(format!("{what} is missing")));
    if !run
        .memory
        .rows
        .iter()
        .all(|row| has_process(row.process_id))
    {
        return missing("the process of a range");
    }
    let mut lines = run.memory.command_lines.iter();
    if !lines.all(|line| has_process(line.process_id)) {
        return missing("the process of a command line");
    }
    let mut uncounted = run.memory.uncounted.iter();
    if !uncounted.all(|id| has_process(*id)) {
        return missing("a process whose pages were not counted");
    }
    let mut touches = run.growth.first_touches.iter();
    if !touches.all(|touches| has_process(touches.process_id)) {
        return missing("the process of a first touch");
    }
    let mut balances = run.growth.balances.iter();
    if !balances.all(|balance| has_process(balance.process_id)) {
        return missing("the process of a balance");
    }
    if !run
        .growth
        .balances
        .is_sorted_by_key(|it| (it.process_id, it.at_ns))
    {
        return Err(Damage("balances: one is out of order".into()));
    }
    let grown = &run.growth.grown;
    let heaps = grown.heaps.iter().map(|it| it.process_id);
    let types = grown.types.iter().map(|it| it.process_id);
    let variables = grown.variables.iter().map(|it| it.process_id);
    let mut of_grown = heaps.chain(types).chain(variables);
    if !of_grown.all(has_process) {
        return missing("the process of what grew");
    }
    let mut held = run.growth.held_before.iter();
    if !held.all(|held| has_process(held.process_id)) {
        return missing("the process of held_before");
    }
    let (python, native) = (&run.who_wrote.python_stacks, &run.who_wrote.native_stacks);
    if !run.growth.growers.iter().all(|grower| {
        has_process(grower.process_id)
            && has_stack(grower.python_stack, python)
            && has_stack(grower.native_stack, native)
    }) {
        return missing("the process or the stack of a grower");
    }
    if !run
        .who_wrote
        .writers
        .iter()
        .all(|writer| has_region(writer.region_id))
    {
        return missing("the region of a writer");
    }
    if !run.who_wrote.writers.iter().all(|writer| {
        has_stack(writer.python_stack, &run.who_wrote.python_stacks)
            && has_stack(writer.native_stack, &run.who_wrote.native_stacks)
    }) {
        return missing("the stack of a writer");
    }
    let of_holders = run
        .who_holds
        .holders
        .iter()
        .map(|holder| Some(holder.process_id));
    let of_walks = run
        .who_holds
        .heap_walks
        .iter()
        .flat_map(|walk| [Some(walk.process_id), walk.read_process_id]);
    let mut of_heaps = of_holders.chain(of_walks).flatten();
    if !of_heaps.all(has_process) {
        return missing("the process of a heap");
    }
    let are_there = |stacks: &[Stack], frames: usize| {
        let mut used = stacks.iter().flat_map(|stack| &stack.frames);
        used.all(|&frame| (frame as usize) < frames)
    };
    if !are_there(
        &run.who_wrote.python_stacks,
        run.who_wrote.python_frames.len(),
    ) || !are_there(
        &run.who_wrote.native_stacks,
        run.who_wrote.native_frames.len(),
    ) {
        return missing("the frame of a stack");
    }
    Ok(())
}

/// Refuses sums of the same counts that differ. They must agree in unfinished files and after
/// losses too, because copies without a range have a row of their own. Writers and reused faults
/// are not checked in an unfinished file, because those counts are from other moments.
fn check_agreement(run: &Run) -> Result<(), Damage> {
    processes_agree(run)?;
    regions_agree(run)?;
    samples_agree(run)
}

fn contradiction_in(what: &str) -> Result<(), Damage> {
    Err(Damage(format!("it contradicts itself: {what}")))
}

/// The ranges of a process add up to its copies, source by source.
fn processes_agree(run: &Run) -> Result<(), Damage> {
    let mut by_process: HashMap<u32, Sources> = HashMap::new();
    for row in &run.memory.rows {
        by_process
            .entry(row.process_id)
            .or_default()
            .add(&row.copied);
    }
    let differs = run.memory.processes.iter().find_map(|process| {
        let ranges = by_process.get(&process.id).copied().unwrap_or_default();
        (process.copied != ranges).then_some((process, ranges))
    });
    let Some((process, ranges)) = differs else {
        return Ok(());
    };
    contradiction_in(&format!(
        "process {} copied {}, and {} by its ranges",
        process.id,
        describe_sources(&process.copied),
        describe_sources(&ranges)
    ))
}

/// The ranges of a region add up to its copies.
fn regions_agree(run: &Run) -> Result<(), Damage> {
    let mut by_region: HashMap<u32, Sources> = HashMap::new();
    for row in &run.memory.rows {
        if let Some(region) = row.region_id {
            by_region.entry(region).or_default().add(&row.copied);
        }
    }
    for region in &run.memory.regions {
        let ranges = by_region.remove(&region.id).unwrap_or_default();
        let (copied, unshared) = (ranges.total(), ranges.total() - ranges.zero);
        if (region.copied_pages, region.unshared_pages) != (copied, unshared) {
            return contradiction_in(&format!(
                "region {} has {} pages copied and {} unshared, and {copied} and {unshared} by its \
                 ranges",
                region.id, region.copied_pages, region.unshared_pages
            ));
        }
    }
    // Regions without copies are not listed.
    if by_region.values().any(|copied| copied.total() > 0) {
        return contradiction_in("there are copies in a region that does not exist");
    }
    Ok(())
}

/// In no sample do the processes have more copies than the total.
fn samples_agree(run: &Run) -> Result<(), Damage> {
    let exceeds = |sample: &&Sample| sample.by_process.values().sum::<u64>() > sample.copied_pages;
    let Some(sample) = run.memory.timeline.samples.iter().find(exceeds) else {
        return Ok(());
    };
    contradiction_in(&format!(
        "at {} ns the processes had copied more than all together",
        sample.at_ns
    ))
}

/// Pages by source; sources without pages are left out.
fn describe_sources(copied: &Sources) -> String {
    let all = [
        ("anon", copied.anon),
        ("file", copied.file),
        ("zero", copied.zero),
        ("ksm", copied.ksm),
        ("hugetlb", copied.hugetlb),
        ("unknown", copied.unknown),
    ];
    let parts = all.iter().filter(|(_, pages)| *pages > 0);
    let parts: Vec<String> = parts
        .map(|(name, pages)| format!("{pages} {name}"))
        .collect();
    if parts.is_empty() {
        "nothing".into()
    } else {
        let pages = if copied.total() == 1 { "page" } else { "pages" };
        format!("{} {pages}", parts.join(" + "))
    }
}
