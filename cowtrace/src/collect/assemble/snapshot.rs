//! The run so far, for those who keep it while it is traced: what has not changed since the last time
//! is left out, so that a look at a million ranges costs what is new in them.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::whole::Meta;
use crate::{
    collect::{
        Collector,
        processes::{
            attribution::RegionTable,
            record::Record,
            records::Records,
            rows::{counts_by_slot, rows},
        },
    },
    probe::{RangeCount, Totals},
    run::{self, CopiedMemory, Loss, Process, Region, Role, Row, Run, Snapshot, Sources, Timeline},
};

/// Telling who wrote may take one part in this many of the time.
const WRITERS_SHARE: u32 = 100;

/// What snapshots have told.
#[derive(Debug, Default)]
pub(in crate::collect) struct Told {
    processes: HashMap<u32, Counted>,
    regions: HashSet<u32>,
    /// Samples of the timeline, and their distance then.
    samples: usize,
    interval_ns: u64,
    /// Who wrote is told again from then on.
    writers_due: Option<Instant>,
    /// Whether there was a snapshot that a next one can go on with.
    has_begun: bool,
}

impl Told {
    /// Has the next snapshot tell everything.
    pub(in crate::collect) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Rows of the processes that have changed, and which these are. `counts_of` gives what slots
    /// have counted.
    pub(in crate::collect) fn count_changed(
        &mut self,
        records: &Records,
        range_bytes: u64,
        counts_of: impl FnOnce(&HashSet<u32>) -> HashMap<u32, Vec<RangeCount>>,
    ) -> (Vec<Row>, Vec<u32>) {
        let told = &mut self.processes;
        let changed: Vec<&Record> = records
            .in_run()
            .filter(|record| !told.get(&record.id).is_some_and(|it| it.is_current(record)))
            .collect();
        let slots: HashSet<u32> = changed.iter().filter_map(|record| record.slot).collect();
        let mut counts = if slots.is_empty() {
            HashMap::new()
        } else {
            counts_of(&slots)
        };
        let mut all = Vec::new();
        for record in &changed {
            let counts: Vec<RangeCount> = record
                .slot
                .and_then(|slot| counts.remove(&slot))
                .unwrap_or_default();
            let mut loss = Loss::default();
            let rows = match &record.rows {
                Some(rows) => rows.clone(),
                None => rows(record, &counts, range_bytes, &mut loss),
            };
            let mut counted = Counted::of(record, &rows, &loss);
            let before = told.get(&record.id).map(|before| before.totals);
            counted.is_settled = before == Some(record.totals);
            told.insert(record.id, counted);
            all.extend(rows);
        }
        all.sort_by_key(Row::place);
        (all, changed.iter().map(|record| record.id).collect())
    }

    /// Regions with the copies of processes that are still counting. One that was told stays: who
    /// wrote in it may not be told again.
    pub(in crate::collect) fn regions_of(
        &mut self,
        records: &Records,
        regions: &RegionTable,
    ) -> Vec<Region> {
        let mut live: HashMap<u32, Sources> = HashMap::new();
        for (region, copied) in self.live(records).flat_map(|counted| &counted.by_region) {
            live.entry(*region).or_default().add(copied);
        }
        let masters: HashSet<u32> = records
            .in_run()
            .filter(|record| record.role == Role::Master)
            .map(|record| record.id)
            .collect();
        let is_kept = |region: &Region| {
            masters.contains(&region.process_id) || self.regions.contains(&region.id)
        };
        let regions = regions.so_far(&live, is_kept);
        self.regions.extend(regions.iter().map(|region| region.id));
        regions
    }

    /// The processes of the run, with the copies that were told of them.
    pub(in crate::collect) fn processes_of(&self, records: &Records) -> Vec<Process> {
        let ids = records.ids_in_run();
        let copied = |record: &Record| self.processes.get(&record.id).map(|it| it.copied);
        let processes = records.in_run();
        processes
            .map(|record| record.process(copied(record).unwrap_or_default(), &ids))
            .collect()
    }

    /// Samples that were not told, and how many were.
    pub(in crate::collect) fn new_samples(&mut self, timeline: &Timeline) -> (Timeline, usize) {
        // Samples that were merged are others.
        let is_continued = self.interval_ns == timeline.interval_ns;
        let before = if is_continued { self.samples } else { 0 };
        self.samples = timeline.samples.len();
        self.interval_ns = timeline.interval_ns;
        let new = Timeline {
            samples: timeline.samples.get(before..).unwrap_or_default().to_vec(),
            ..Timeline::new(timeline.interval_ns)
        };
        (new, before)
    }

    /// What was counted of processes whose rows are not final: the others' are in the regions.
    fn live<'a>(&'a self, records: &'a Records) -> impl Iterator<Item = &'a Counted> {
        let live = records.in_run().filter(|record| record.rows.is_none());
        live.filter_map(|record| self.processes.get(&record.id))
    }
}

/// What was told of a process.
#[derive(Debug, Default)]
struct Counted {
    totals: Totals,
    copied: Sources,
    by_region: HashMap<u32, Sources>,
    unsplit_pages: u64,
    /// Whether its totals were the same twice: they are read before its ranges, which a hook that
    /// ran meanwhile may have been about to change.
    is_settled: bool,
    is_final: bool,
}

impl Counted {
    fn of(record: &Record, rows: &[Row], loss: &Loss) -> Self {
        let mut counted = Self {
            totals: record.totals,
            unsplit_pages: loss.unsplit_pages,
            is_final: record.rows.is_some(),
            ..Self::default()
        };
        for row in rows {
            counted.copied.add(&row.copied);
            if let Some(region) = row.region_id {
                counted
                    .by_region
                    .entry(region)
                    .or_default()
                    .add(&row.copied);
            }
        }
        counted
    }

    fn is_current(&self, record: &Record) -> bool {
        self.is_final || (record.rows.is_none() && self.is_settled && self.totals == record.totals)
    }
}

impl Collector {
    /// The run so far, without what earlier snapshots told and what has not changed. Writers are told
    /// without native functions, which are looked up at the end.
    pub fn snapshot(&mut self, meta: Meta) -> Snapshot {
        self.processes.read_totals(&self.probe.tables);
        let duration_ns = self.clock.elapsed_ns();
        let is_whole = !self.told.has_begun;
        let tables = &self.probe.tables;
        let range_bytes = self.probe.range_bytes;
        let (rows, counted) =
            self.told
                .count_changed(self.processes.records(), range_bytes, |slots| {
                    counts_by_slot(tables, |slot| slots.contains(&slot))
                });
        let rows_of = counted.into_iter().collect();
        let (timeline, samples_before) = self.told.new_samples(&self.timeline);
        let mut scope = run::SnapshotScope {
            rows_of: Some(rows_of).filter(|_| !is_whole),
            samples_before,
            without_writers: true,
        };
        let mut run = self.begun(meta, duration_ns);
        run.head.unfinished = true;
        run.loss = self.losses_so_far();
        run.memory = CopiedMemory {
            rows,
            timeline,
            regions: self
                .told
                .regions_of(self.processes.records(), self.mappings.regions()),
            processes: self.told.processes_of(self.processes.records()),
            ..run.memory
        };
        scope.without_writers = !self.tell_writers(&mut run);
        self.told.has_begun = true;
        Snapshot { run, scope }
    }

    /// Has the next snapshot tell everything: the last one was lost.
    pub fn forget_snapshots(&mut self) {
        self.told.forget();
    }

    fn losses_so_far(&self) -> Loss {
        let mut loss = self.kernel_losses(self.probe.skipped());
        loss.unsplit_pages += self
            .told
            .live(self.processes.records())
            .map(|counted| counted.unsplit_pages)
            .sum::<u64>();
        loss
    }

    /// Tells who wrote, if enough time has gone since the last time.
    fn tell_writers(&mut self, run: &mut Run) -> bool {
        let now = Instant::now();
        if self.told.writers_due.is_some_and(|due| now < due) {
            return false;
        }
        run.who_wrote = self.writers.so_far().in_regions(&run.memory.regions);
        let pause: Duration = now.elapsed() * WRITERS_SHARE;
        self.told.writers_due = now.checked_add(pause);
        true
    }
}
