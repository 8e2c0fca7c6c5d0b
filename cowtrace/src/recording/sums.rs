//! Checks that what reports add up stays within what they can calculate with.

use super::columns::Damage;
use crate::run::{Run, Sample};

/// The most pages of a sum: its bytes fit in 63 bits.
#[derive(Clone, Copy)]
pub(super) struct PagesThatFit(u128);

impl PagesThatFit {
    pub(super) fn in_run(run: &Run) -> Self {
        Self(u128::from(
            i64::MAX.cast_unsigned() / run.head.host.page_bytes,
        ))
    }

    /// Refuses a table whose numbers add up to more.
    pub(super) fn check(
        self,
        table: &str,
        numbers: &mut dyn Iterator<Item = u64>,
    ) -> Result<(), Damage> {
        let sum: u128 = numbers.map(u128::from).sum();
        if sum <= self.0 {
            Ok(())
        } else {
            Err(Damage(format!("{table}: more pages than there can be")))
        }
    }
}

/// Adds up what reports add up, in 128 bits: the bytes of each sum must fit in 63 bits.
pub(super) fn check_sums(run: &Run) -> Result<(), Damage> {
    let fits = PagesThatFit::in_run(run);
    fits.check(
        "processes",
        &mut run.memory.processes.iter().flat_map(|process| {
            let inherited = process.inherited_pages.unwrap_or(0);
            process
                .copied
                .each()
                .into_iter()
                .chain([process.reused_faults, inherited])
        }),
    )?;
    fits.check(
        "ranges",
        &mut run
            .memory
            .rows
            .iter()
            .flat_map(|row| row.copied.each().into_iter().chain([row.reused_faults])),
    )?;
    fits.check(
        "regions",
        &mut run.memory.regions.iter().flat_map(|region| {
            [
                region.inheritors,
                region.inherited_pages,
                region.copied_pages,
                region.unshared_pages,
                region.mapping.resident_pages,
                region.mapping.anonymous_pages,
            ]
        }),
    )?;
    fits.check(
        "writers",
        &mut run
            .who_wrote
            .writers
            .iter()
            .map(|writer| writer.copied_pages),
    )?;
    let mut of_holders = run.who_holds.holders.iter().flat_map(|holder| {
        let types = holder.copied_types.iter().map(|it| it.copied_pages);
        let sharers = holder.also_held_by.iter().map(|it| it.copied_pages);
        let saving = holder.saving.iter().flat_map(|it| {
            let neighbours = it.shares_with.iter().map(|it| it.pages);
            neighbours.chain([
                it.pages_with,
                it.pages_alone,
                it.saved_pages,
                it.saved_together_pages,
            ])
        });
        let all = types.chain(sharers).chain(saving);
        all.chain([holder.copied_pages])
    });
    fits.check("holders", &mut of_holders)?;
    fits.check(
        "heap_walks",
        &mut run
            .who_holds
            .heap_walks
            .iter()
            .flat_map(|walk| [walk.asked_pages, walk.held_pages, walk.by_page]),
    )?;
    let freezes = run.who_holds.heap_walks.iter().filter_map(|it| it.freeze);
    let mut of_freezes = freezes.flat_map(|it| [it.header_pages, it.saved_pages]);
    fits.check("freeze_savings", &mut of_freezes)?;
    let readings = run.who_holds.heap_walks.iter().filter_map(|it| it.reading);
    fits.check("reading_reach", &mut readings.map(|it| it.pages))?;
    check_free_memory(run, fits)?;
    check_growth_sums(run, fits)?;
    for sample in &run.memory.timeline.samples {
        fits.check("timeline", &mut counts_of_sample(sample))?;
        fits.check(
            "timeline_held",
            &mut sample.held_by_process.values().copied(),
        )?;
        fits.check(
            "timeline_touched",
            &mut sample.touched_by_process.values().copied(),
        )?;
    }
    Ok(())
}

/// The same of copied memory that was free.
fn check_free_memory(run: &Run, fits: PagesThatFit) -> Result<(), Damage> {
    let free = || run.who_holds.heap_walks.iter().flat_map(|it| &it.free);
    let page_bytes = run.head.host.page_bytes;
    if free().any(|it| it.in_use_bytes.max(it.free_bytes) / page_bytes > it.copied_pages) {
        let more = "heap_walk_free: more bytes than the pages have";
        return Err(Damage(more.into()));
    }
    fits.check("heap_walk_free", &mut free().map(|it| it.copied_pages))
}

/// The same of what memory grew by.
fn check_growth_sums(run: &Run, fits: PagesThatFit) -> Result<(), Damage> {
    let growth = &run.growth;
    let mut touches = growth.first_touches.iter().map(|it| it.pages);
    fits.check("first_touches", &mut touches)?;
    fits.check(
        "held_before",
        &mut growth.held_before.iter().map(|it| it.pages),
    )?;
    let mut growers = growth
        .growers
        .iter()
        .flat_map(|it| [it.pages, it.sampled_touches]);
    fits.check("growers", &mut growers)?;
    let mut balances = growth.balances.iter().flat_map(|balance| {
        let pages = &balance.pages;
        [
            balance.copied_pages,
            pages.shared_pages,
            pages.unshared_pages,
            pages.new_pages,
            pages.gone_pages,
            pages.swapped_pages,
            pages.error_pages,
        ]
    });
    fits.check("balances", &mut balances)?;
    check_grown_sums(run, fits)
}

/// The same of what lives on new pages.
fn check_grown_sums(run: &Run, fits: PagesThatFit) -> Result<(), Damage> {
    let grown = &run.growth.grown;
    let mut heaps = grown.heaps.iter().flat_map(|heap| {
        [
            heap.new_pages,
            heap.read_pages,
            heap.objects,
            heap.bytes,
            heap.unheld_objects,
            heap.unheld_bytes,
            heap.cyclic_objects.unwrap_or(0),
            heap.held_bytes,
        ]
    });
    fits.check("grown_heaps", &mut heaps)?;
    let mut types = grown.types.iter().flat_map(|of_type| {
        let unheld = [of_type.unheld_objects, of_type.unheld_bytes];
        [of_type.objects, of_type.bytes].into_iter().chain(unheld)
    });
    fits.check("grown_types", &mut types)?;
    let variables = grown.variables.iter();
    let mut variables = variables.flat_map(|variable| [variable.objects, variable.bytes]);
    fits.check("grown_variables", &mut variables)
}

fn counts_of_sample(sample: &Sample) -> impl Iterator<Item = u64> {
    let processes = sample.by_process.values().copied();
    processes.chain([
        sample.copied_pages,
        sample.reused_faults,
        sample.touched_pages,
    ])
}
