//! The run so far, for those who keep it while it is traced: what has not changed since the last time
//! is left out, so that a look at a million ranges costs what is new in them.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{
    Collector, Meta,
    record::Record,
    rows::{counts_by_slot, rows},
};
use crate::{
    probe::{RangeCount, Totals},
    run::{self, Loss, Region, Role, Row, Run, Snapshot, Sources, Timeline},
};

/// Telling who wrote may take one part in this many of the time.
const WRITERS_SHARE: u32 = 100;

/// What snapshots have told.
#[derive(Debug, Default)]
pub(super) struct Told {
    processes: HashMap<u32, Counted>,
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
    pub(super) fn forget(&mut self) {
        *self = Self::default();
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
        self.read_totals();
        let duration_ns = self.elapsed_ns();
        let is_whole = !self.told.has_begun;
        let (rows, counted) = self.count_changed();
        let rows_of = counted.into_iter().collect();
        let (timeline, samples_before) = self.new_samples();
        let mut told = run::Told {
            rows_of: Some(rows_of).filter(|_| !is_whole),
            samples_before,
            without_writers: true,
        };
        let mut run = Run {
            rows,
            timeline,
            loss: self.losses_so_far(),
            regions: self.regions_so_far(),
            unfinished: true,
            ..self.head(meta, duration_ns)
        };
        let launchers = self.records.launchers();
        let records = self.records.iter().filter(|record| !record.is_launcher);
        run.processes = records
            .map(|record| {
                let counted = self.told.processes.get(&record.id);
                record.process(
                    counted.map_or_else(Sources::default, |it| it.copied),
                    &launchers,
                )
            })
            .collect();
        told.without_writers = !self.tell_writers(&mut run);
        self.told.has_begun = true;
        Snapshot { run, told }
    }

    /// Has the next snapshot tell everything: the last one was lost.
    pub fn forget_snapshots(&mut self) {
        self.told.forget();
    }

    /// Rows of the processes that have changed, and which these are.
    fn count_changed(&mut self) -> (Vec<Row>, Vec<u32>) {
        let told = &mut self.told.processes;
        let changed: Vec<&Record> = self
            .records
            .iter()
            .filter(|record| !record.is_launcher)
            .filter(|record| !told.get(&record.id).is_some_and(|it| it.is_current(record)))
            .collect();
        let slots: HashSet<u32> = changed.iter().filter_map(|record| record.slot).collect();
        let mut counts = if slots.is_empty() {
            HashMap::new()
        } else {
            counts_by_slot(&self.probe.tables, |slot| slots.contains(&slot))
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
                None => rows(record, &counts, self.probe.range_bytes, &mut loss),
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

    /// Samples that were not told, and how many were.
    fn new_samples(&mut self) -> (Timeline, usize) {
        let timeline = &self.timeline;
        // Samples that were merged are others.
        let is_continued = self.told.interval_ns == timeline.interval_ns;
        let before = if is_continued { self.told.samples } else { 0 };
        self.told.samples = timeline.samples.len();
        self.told.interval_ns = timeline.interval_ns;
        let new = Timeline {
            samples: timeline.samples.get(before..).unwrap_or_default().to_vec(),
            ..Timeline::new(timeline.interval_ns)
        };
        (new, before)
    }

    fn losses_so_far(&self) -> Loss {
        let mut loss = self.kernel_losses(self.probe.skipped());
        loss.unsplit_pages += self
            .live()
            .map(|counted| counted.unsplit_pages)
            .sum::<u64>();
        loss
    }

    /// Regions with the copies of processes that are still counting.
    fn regions_so_far(&self) -> Vec<Region> {
        let mut live: HashMap<u32, Sources> = HashMap::new();
        for (region, copied) in self.live().flat_map(|counted| &counted.by_region) {
            live.entry(*region).or_default().add(copied);
        }
        let masters: HashSet<u32> = self
            .records
            .iter()
            .filter(|record| record.role == Role::Master && !record.is_launcher)
            .map(|record| record.id)
            .collect();
        self.regions
            .so_far(&live, |process| masters.contains(&process))
    }

    /// What was counted of processes whose rows are not final: the others' are in the regions.
    fn live(&self) -> impl Iterator<Item = &Counted> {
        let live = self.records.iter().filter(|record| record.rows.is_none());
        live.filter_map(|record| self.told.processes.get(&record.id))
    }

    /// Tells who wrote, if enough time has gone since the last time.
    fn tell_writers(&mut self, run: &mut Run) -> bool {
        let now = Instant::now();
        if self.told.writers_due.is_some_and(|due| now < due) {
            return false;
        }
        let named = self.writers.so_far().in_regions(&run.regions);
        run.writers = named.writers;
        run.python_frames = named.python_frames;
        run.python_stacks = named.python_stacks;
        let pause: Duration = now.elapsed() * WRITERS_SHARE;
        self.told.writers_due = now.checked_add(pause);
        true
    }
}
