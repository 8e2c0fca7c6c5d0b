//! Snapshots of the run while it is traced, for the recording. A snapshot leaves out what has not changed
//! since the one before, so that with a million ranges it costs only as much as has changed.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use crate::{
    collect::{
        holders::lookup::HolderLookup,
        processes::{
            attribution::RegionTable,
            record::{Counted, Record},
            records::Records,
            rows::{counts_by_slot, rows_of_record, touches_of_record},
            touches::TouchesByKind,
        },
        writers::WriterEvidence,
    },
    probe::{Probe, RangeCount, Totals},
    run::{
        CopiedMemory, Grown, Growth, Loss, Process, Region, Role, Row, Run, Snapshot,
        SnapshotScope, Sources, Timeline,
    },
};

/// Writers are added so rarely that they take at most one part in this many of the time.
const WRITERS_SHARE: u32 = 100;

/// What is observed so far; a snapshot is a part of it.
pub(in crate::collect) struct SoFar<'a> {
    pub(in crate::collect) probe: &'a Probe,
    pub(in crate::collect) records: &'a Records,
    pub(in crate::collect) regions: &'a RegionTable,
    pub(in crate::collect) timeline: &'a Timeline,
    pub(in crate::collect) evidence: &'a WriterEvidence,
    /// What was found of variables, for those who look: what is recorded has to agree with the end.
    pub(in crate::collect) holders: Option<&'a HolderLookup>,
}

/// Who takes snapshots: each gets what is new since its own last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFor {
    /// The recording.
    Recording,
    /// Those who look at the run while it is traced.
    Watch,
}

/// What the snapshots so far contain, by who took them.
#[derive(Debug, Default)]
pub(in crate::collect) struct SnapshotsTaken {
    recording: PreviousSnapshots,
    watch: PreviousSnapshots,
}

impl SnapshotsTaken {
    /// Those of one.
    pub(in crate::collect) const fn of(&mut self, by: SnapshotFor) -> &mut PreviousSnapshots {
        match by {
            SnapshotFor::Recording => &mut self.recording,
            SnapshotFor::Watch => &mut self.watch,
        }
    }

    /// Makes the next snapshot of each a whole one.
    pub(in crate::collect) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What the snapshots so far contain.
#[derive(Debug, Default)]
pub(in crate::collect) struct PreviousSnapshots {
    processes: HashMap<u32, ProcessInSnapshot>,
    regions: HashSet<u32>,
    /// Number of samples of the timeline, and their distance at the last snapshot.
    samples: usize,
    interval_ns: u64,
    /// From when on a snapshot contains the writers again.
    writers_due: Option<Instant>,
    /// Number of the walks whose variables the last snapshot has.
    walks: Option<u64>,
    /// Whether there is a snapshot that the next one can build on.
    has_begun: bool,
}

impl PreviousSnapshots {
    /// The next snapshot: `run` with its losses, and what has changed since the last one. Of
    /// native functions it has the names that are known by then.
    pub(in crate::collect) fn next(&mut self, mut run: Run, so_far: &SoFar<'_>) -> Snapshot {
        let is_whole = !self.has_begun;
        let SoFar { probe, records, .. } = so_far;
        let (rows, changed) = self.count_changed(records, probe.range_bytes, |slots| {
            counts_by_slot(&probe.tables, |slot| slots.contains(&slot))
        });
        let (timeline, samples_before) = self.new_samples(so_far.timeline);
        run.head.unfinished = true;
        run.loss.unsplit_pages += self
            .counting(records)
            .map(|process| process.unsplit_pages)
            .sum::<u64>();
        run.memory = CopiedMemory {
            rows,
            timeline,
            regions: self.regions_of(records, so_far.regions),
            processes: self.processes_of(records),
            command_lines: records.in_run().filter_map(Record::command_line).collect(),
            uncounted: records
                .in_run()
                .filter(|it| it.is_uncounted)
                .map(|it| it.id)
                .collect(),
            ..run.memory
        };
        run.growth = self.growth_of(records);
        let without_writers = !self.add_writers(&mut run, so_far);
        let without_holders = !self.add_holders(&mut run, so_far);
        self.has_begun = true;
        let scope = SnapshotScope {
            rows_of: Some(changed.into_iter().collect()).filter(|_| !is_whole),
            samples_before,
            without_writers,
            without_holders,
        };
        Snapshot { run, scope }
    }

    /// Adds the variables, if there are others than the last time; returns whether it did.
    fn add_holders(&mut self, run: &mut Run, so_far: &SoFar<'_>) -> bool {
        let Some(holders) = so_far.holders else {
            return true;
        };
        let (found, walks) = holders.so_far(self.walks, so_far.records);
        self.walks = Some(walks);
        let is_new = found.is_some();
        run.who_holds = found.unwrap_or_default();
        is_new
    }

    /// Adds the writers, if enough time has passed since the last time; returns whether it did.
    fn add_writers(&mut self, run: &mut Run, so_far: &SoFar<'_>) -> bool {
        let now = Instant::now();
        if self.writers_due.is_some_and(|due| now < due) {
            return false;
        }
        let SoFar {
            evidence, records, ..
        } = so_far;
        run.who_wrote = evidence.so_far().in_regions(&run.memory.regions);
        run.growth.growers = evidence.growers_so_far(records);
        let pause: Duration = now.elapsed() * WRITERS_SHARE;
        self.writers_due = now.checked_add(pause);
        true
    }

    /// Makes the next snapshot a whole one.
    pub(in crate::collect) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Rows of the processes that have changed, and the serial numbers of these. `counts_of` gives the
    /// counts of slots.
    pub(in crate::collect) fn count_changed(
        &mut self,
        records: &Records,
        range_bytes: u64,
        counts_of: impl FnOnce(&HashSet<u32>) -> HashMap<u32, Vec<RangeCount>>,
    ) -> (Vec<Row>, Vec<u32>) {
        let previous = &mut self.processes;
        let changed: Vec<&Record> = records
            .in_run()
            .filter(|record| {
                !previous
                    .get(&record.id)
                    .is_some_and(|it| it.is_current(record))
            })
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
                None => rows_of_record(record, &counts, range_bytes, &mut loss),
            };
            let mut process = ProcessInSnapshot::of(record, &rows, &loss);
            process.touches = touches_of_record(record, &counts);
            let before = previous.get(&record.id).map(|before| before.totals);
            process.is_settled = before == Some(record.totals);
            previous.insert(record.id, process);
            all.extend(rows);
        }
        all.sort_by_key(Row::place);
        (all, changed.iter().map(|record| record.id).collect())
    }

    /// Regions with the copies of processes that are still counting. A region of an earlier snapshot stays:
    /// its writers may not be in this one.
    pub(in crate::collect) fn regions_of(
        &mut self,
        records: &Records,
        regions: &RegionTable,
    ) -> Vec<Region> {
        let mut live: HashMap<u32, Sources> = HashMap::new();
        for (region, copied) in self
            .counting(records)
            .flat_map(|process| &process.by_region)
        {
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

    /// The processes of the run, with the copies that the snapshots contain.
    pub(in crate::collect) fn processes_of(&self, records: &Records) -> Vec<Process> {
        let ids = records.ids_in_run();
        let counted = |record: &Record| self.processes.get(&record.id).map(|it| it.counted);
        let processes = records.in_run();
        processes
            .map(|record| record.process(counted(record).unwrap_or_default(), &ids))
            .collect()
    }

    /// First touches of the processes of the run, as the snapshots contain them.
    fn growth_of(&self, records: &Records) -> Growth {
        let touches = records.in_run().flat_map(|record| {
            let live = self.processes.get(&record.id);
            let live = live.filter(|_| record.rows.is_none());
            live.map_or(record.touches, |it| it.touches)
                .in_run(record.id)
                .collect::<Vec<_>>()
        });
        Growth {
            first_touches: touches.collect(),
            held_before: records.in_run().filter_map(Record::held_before).collect(),
            // Others read them.
            balances: Vec::new(),
            // They come with the writers.
            growers: Vec::new(),
            grown: Grown::default(),
        }
    }

    /// Samples that are new, and the number of those before them.
    pub(in crate::collect) fn new_samples(&mut self, timeline: &Timeline) -> (Timeline, usize) {
        // Merging has changed all samples.
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

    /// Processes that are still counting: the copies of the others are in the regions.
    fn counting<'a>(&'a self, records: &'a Records) -> impl Iterator<Item = &'a ProcessInSnapshot> {
        let live = records.in_run().filter(|record| record.rows.is_none());
        live.filter_map(|record| self.processes.get(&record.id))
    }
}

/// A process as the last snapshot with its rows has it.
#[derive(Debug, Default)]
struct ProcessInSnapshot {
    totals: Totals,
    counted: Counted,
    by_region: HashMap<u32, Sources>,
    unsplit_pages: u64,
    touches: TouchesByKind,
    /// Whether its totals were the same twice. They are read before its ranges, so a hook that ran
    /// meanwhile may have changed only one of them.
    is_settled: bool,
    is_final: bool,
}

impl ProcessInSnapshot {
    fn of(record: &Record, rows: &[Row], loss: &Loss) -> Self {
        let mut process = Self {
            totals: record.totals,
            counted: Counted::of(rows),
            unsplit_pages: loss.unsplit_pages,
            is_final: record.rows.is_some(),
            ..Self::default()
        };
        for row in rows {
            if let Some(region) = row.region_id {
                process
                    .by_region
                    .entry(region)
                    .or_default()
                    .add(&row.copied);
            }
        }
        process
    }

    fn is_current(&self, record: &Record) -> bool {
        self.is_final || (record.rows.is_none() && self.is_settled && self.totals == record.totals)
    }
}
