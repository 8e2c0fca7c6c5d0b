//! Whatever processes do, snapshots and the run at the end agree: each is recorded and read back, and the
//! reader checks every sum. What a launcher did is in none of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use cowtrace_common::process::Source;
use proptest::prelude::*;

use super::{
    assemble::{
        snapshot::PreviousSnapshots,
        whole::{InRun, in_run},
    },
    processes::{
        attribution::RegionTable,
        record::{Counted, Record},
        records::Records,
        rows::RowSums,
    },
};
use crate::{
    probe::{RangeCount, Totals},
    recording::{RecordingWriter, read_recording},
    run::{
        CopiedMemory, Kind, Loss, Mapping, Role, Run, Snapshot, SnapshotScope, Timeline, WhoWrote,
        WriteKind, Writer, arbitrary,
    },
    scratch::Scratch,
};

const RANGE: u64 = 1 << 16;
const BASE: u64 = 0x7f00_0000_0000;
/// Mappings of a process, and ranges of each.
const MAPPINGS: u64 = 3;
const RANGES: u64 = 2;
const SOURCES: [Source; 4] = [Source::Unknown, Source::Anon, Source::File, Source::Zero];

/// What happens, to a process by its place among the living.
#[derive(Clone, Debug)]
enum Event {
    Fork(usize),
    Exec(usize),
    Exit(usize),
    /// Pages copied and re-used: in a range, or in none.
    Count(usize, Option<u64>, usize, u64, u64),
    /// Another mapping takes a mapping's place.
    Map(usize, u64),
    /// A region is found to be an allocator's, or not to be.
    Fill(u32, bool),
    /// What has exited is closed.
    Close,
    Snapshot,
    Fold(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let range = prop::option::weighted(0.9, 0..MAPPINGS * RANGES + 1);
    prop_oneof![
        4 => any::<usize>().prop_map(Event::Fork),
        1 => any::<usize>().prop_map(Event::Exec),
        2 => any::<usize>().prop_map(Event::Exit),
        8 => (any::<usize>(), range, 0..SOURCES.len(), 0..9u64, 0..4u64)
            .prop_map(|(who, range, source, copied, reused)| {
                Event::Count(who, range, source, copied, reused)
            }),
        1 => (any::<usize>(), 0..MAPPINGS).prop_map(|(who, which)| Event::Map(who, which)),
        1 => (0..9u32, any::<bool>()).prop_map(|(region, is_filled)| Event::Fill(region, is_filled)),
        2 => Just(Event::Close),
        2 => Just(Event::Snapshot),
        1 => (2..8usize).prop_map(Event::Fold),
    ]
}

/// A trace without a kernel.
struct Trace {
    records: Records,
    regions: RegionTable,
    loss: Loss,
    exited_rows: usize,
    timeline: Timeline,
    snapshots: PreviousSnapshots,
    has_begun: bool,
    /// What slots have counted.
    slots: HashMap<u32, (Totals, Vec<RangeCount>)>,
    next_slot: u32,
    /// Names of the mappings of each process.
    names: HashMap<u32, Vec<u64>>,
    now_ns: u64,
}

impl Trace {
    /// Of a process, or of a command with what starts it.
    fn begin(is_command: bool) -> Self {
        let mut trace = Self {
            records: Records::default(),
            regions: RegionTable::default(),
            loss: Loss::default(),
            exited_rows: 0,
            timeline: Timeline::new(1),
            snapshots: PreviousSnapshots::default(),
            has_begun: false,
            slots: HashMap::new(),
            next_slot: 2,
            names: HashMap::new(),
            now_ns: 0,
        };
        let id = trace.add(None, Role::Master, false);
        trace.records.get_mut(id).unwrap().is_launcher = is_command;
        trace.pass_on(id);
        trace
    }

    fn add(&mut self, parent: Option<u32>, role: Role, has_forked: bool) -> u32 {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.slots.insert(slot, (Totals::default(), Vec::new()));
        let inherited = parent.filter(|_| has_forked).and_then(|parent| {
            let layout = self.records.get(parent)?.own.clone()?;
            self.regions.inherit(&layout);
            Some(layout)
        });
        let id = self.records.add(Record {
            parent,
            inherited,
            started_ns: self.now_ns,
            ..Record::new(slot, slot, 1, "w".into(), role)
        });
        let names = parent.and_then(|parent| self.names.get(&parent).cloned());
        let names = names.filter(|_| has_forked);
        self.names.insert(
            id,
            names.unwrap_or_else(|| vec![0; usize::try_from(MAPPINGS).unwrap()]),
        );
        id
    }

    fn mappings(&self, id: u32) -> Vec<Mapping> {
        (0..MAPPINGS)
            .map(|number| {
                let start = BASE + number * RANGES * RANGE;
                let name = self.names[&id][usize::try_from(number).unwrap()];
                Mapping {
                    start,
                    end: start + RANGES * RANGE,
                    name: format!("/srv/{name}"),
                    kind: if number == 0 { Kind::Heap } else { Kind::File },
                    perms: "rw-p".into(),
                    offset: 0,
                    resident_pages: 16,
                    anonymous_pages: 16 * (number % 2),
                    huge_page_bytes: 0,
                    mergeable: false,
                }
            })
            .collect()
    }

    /// Reads a process's mappings as at a fork.
    fn pass_on(&mut self, id: u32) {
        let layout = self.regions.layout(id, self.mappings(id), true);
        self.records.get_mut(id).unwrap().own = Some(layout);
    }

    fn living(&self, which: usize) -> Option<u32> {
        let living: Vec<u32> = self.records.alive().map(|record| record.id).collect();
        (!living.is_empty()).then(|| living[which % living.len()])
    }

    fn happens(&mut self, event: &Event, recording: &mut RecordingWriter) {
        self.now_ns += 10;
        let now_ns = self.now_ns;
        match *event {
            Event::Fork(which) => self.with_living(which, |trace, parent| {
                trace.pass_on(parent);
                trace.add(Some(parent), Role::Worker, true);
            }),
            Event::Exec(which) => self.with_living(which, Self::exec),
            Event::Exit(which) => self.with_living(which, |trace, id| {
                trace.records.get_mut(id).unwrap().exited_ns = Some(now_ns);
            }),
            Event::Count(which, range, source, copied, reused) => {
                self.with_living(which, |trace, id| {
                    trace.count(id, range, SOURCES[source], copied, reused);
                });
            }
            Event::Map(which, number) => self.with_living(which, |trace, id| {
                let names = trace.names.get_mut(&id).unwrap();
                names[usize::try_from(number).unwrap()] += 1;
                let now = trace.mappings(id);
                trace.records.get_mut(id).unwrap().current = Some(now);
            }),
            Event::Fill(region, is_filled) => {
                let (all, name) = (0..u64::MAX, is_filled.then_some("[jemalloc]"));
                self.regions.note_allocator(region, all, name);
            }
            Event::Close => self.close(),
            Event::Snapshot => self.snapshot(recording),
            Event::Fold(most) => {
                if self.records.fold(most) > 0 {
                    self.snapshots.forget();
                    self.has_begun = false;
                }
            }
        }
    }

    fn with_living(&mut self, which: usize, happens: impl FnOnce(&mut Self, u32)) {
        if let Some(id) = self.living(which) {
            happens(self, id);
        }
    }

    fn exec(&mut self, before: u32) {
        let record = self.records.get_mut(before).unwrap();
        record.exited_ns = Some(self.now_ns);
        let role = record.role;
        let after = self.add(Some(before), role, false);
        if role == Role::Master {
            self.records.succeed(before, after);
        }
    }

    fn count(&mut self, id: u32, range: Option<u64>, source: Source, copied: u64, reused: u64) {
        let slot = self.records.get(id).unwrap().slot.unwrap();
        let (totals, ranges) = self.slots.get_mut(&slot).unwrap();
        totals.copied[source as usize] += copied;
        totals.reused += reused;
        let Some(range) = range else {
            totals.unranged_copied += copied;
            totals.unranged_reused += reused;
            return;
        };
        ranges.push(RangeCount {
            start: BASE + range * RANGE,
            bytes: RANGE,
            source,
            copied,
            reused,
            touched: 0,
        });
    }

    fn read_totals(&mut self) {
        for record in self.records.with_slot_mut() {
            let (totals, _) = self.slots[&record.slot.unwrap()];
            record.count(totals);
        }
    }

    fn sums(&mut self) -> (RowSums<'_>, &mut Records) {
        let sums = RowSums {
            regions: &mut self.regions,
            loss: &mut self.loss,
            exited_rows: &mut self.exited_rows,
            range_bytes: RANGE,
        };
        (sums, &mut self.records)
    }

    fn close(&mut self) {
        for slot in self.records.exited_slots() {
            let (totals, counts) = self.slots.remove(&slot).unwrap();
            let (mut sums, records) = self.sums();
            sums.close(records.in_slot(slot).unwrap(), totals, &counts);
            records.release(slot);
        }
        self.read_totals();
        let sample = self.records.sample(self.now_ns);
        self.timeline.push(sample);
    }

    fn snapshot(&mut self, recording: &mut RecordingWriter) {
        self.read_totals();
        // A hook may run after the totals are read and before the ranges are.
        let counting = self.records.with_slot_mut().map(|record| record.id).next();
        if let Some(id) = counting.filter(|_| self.now_ns.is_multiple_of(3)) {
            self.count(id, Some(1), Source::Anon, 1, 1);
        }
        let is_whole = !std::mem::replace(&mut self.has_begun, true);
        let slots = &self.slots;
        let counts_of = |wanted: &HashSet<u32>| {
            let counts = wanted.iter().map(|slot| (*slot, slots[slot].1.clone()));
            counts.collect()
        };
        let (rows, changed) = self
            .snapshots
            .count_changed(&self.records, RANGE, counts_of);
        let (timeline, samples_before) = self.snapshots.new_samples(&self.timeline);
        let regions = self.snapshots.regions_of(&self.records, &self.regions);
        let without_writers = !is_whole && self.now_ns.is_multiple_of(20);
        let mut run = arbitrary::empty();
        run.head.unfinished = true;
        run.memory = CopiedMemory {
            rows,
            timeline,
            regions,
            processes: self.snapshots.processes_of(&self.records),
            command_lines: Vec::new(),
            uncounted: Vec::new(),
            ..run.memory
        };
        if !without_writers {
            run.who_wrote = self.writers().in_regions(&run.memory.regions);
        }
        for process in &run.memory.processes {
            let mut rows = run.memory.rows.clone();
            rows.retain(|row| row.process_id == process.id);
            let is_current = !changed.contains(&process.id);
            assert!(is_current || Counted::of(&rows).reused_faults == process.reused_faults);
        }
        let scope = SnapshotScope {
            rows_of: Some(changed.into_iter().collect()).filter(|_| !is_whole),
            samples_before,
            without_writers,
            without_holders: false,
        };
        recording.write(&Snapshot { run, scope }).unwrap();
    }

    /// One that wrote in every region.
    fn writers(&self) -> WhoWrote {
        let all = self.regions.so_far(&HashMap::new(), |_| true);
        let writers = all.iter().map(|region| Writer {
            kind: WriteKind::Other,
            type_name: None,
            function: None,
            module: None,
            inlined: Vec::new(),
            system_call: None,
            region_id: Some(region.id),
            python_stack: None,
            native_stack: None,
            store: None,
            copied_pages: 1,
        });
        WhoWrote {
            writers: writers.collect(),
            ..WhoWrote::default()
        }
    }

    /// The run at the end.
    fn end(mut self) -> Run {
        self.read_totals();
        let last = self.records.sample(self.now_ns + 1);
        self.timeline.finish(last);
        let slots = std::mem::take(&mut self.slots);
        let (mut sums, records) = self.sums();
        for record in records.with_slot_mut() {
            let (_, counts) = &slots[&record.slot.unwrap()];
            sums.settle(record, counts);
        }
        let named = self.writers();
        let InRun {
            processes,
            rows,
            regions,
            growth,
            ..
        } = in_run(self.records, self.regions);
        let mut run = arbitrary::empty();
        run.who_wrote = named.in_regions(&regions);
        run.memory = CopiedMemory {
            processes,
            rows,
            regions,
            timeline: self.timeline,
            ..run.memory
        };
        run.growth = growth;
        run
    }

    /// Launchers, and pages that the others copied.
    fn truth(&self) -> (HashSet<u32>, BTreeMap<u32, u64>) {
        let (launchers, others): (Vec<&Record>, Vec<&Record>) =
            self.records.iter().partition(|record| record.is_launcher);
        let ids = launchers.into_iter().map(|record| record.id);
        let pages = others.into_iter().map(|record| {
            let now = record.slot.and_then(|slot| self.slots.get(&slot));
            let totals = now.map_or(record.totals, |(totals, _)| *totals);
            (record.id, totals.copied_pages())
        });
        (ids.collect(), pages.collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_the_recording_reads_back(
        is_command in any::<bool>(),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let scratch = Scratch::new("collected");
        let path = scratch.path("run.cow");
        let mut recording = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
        let mut trace = Trace::begin(is_command);
        for event in &events {
            trace.happens(event, &mut recording);
            if matches!(event, Event::Snapshot) {
                let so_far = read_recording(&path);
                prop_assert!(so_far.is_ok(), "{:?}", so_far.err());
            }
        }
        let (launchers, pages) = trace.truth();
        let numbers: Vec<u32> = (0..trace.next_slot - 2).collect();
        let numbers: Vec<u32> = numbers.into_iter().map(|id| trace.records.id_in_run(id)).collect();
        let run = trace.end();
        recording.finish(&run).unwrap();
        let back = read_recording(&path);
        prop_assert!(back.is_ok(), "{:?}", back.err());
        prop_assert_eq!(&back.unwrap(), &run);
        // Each process counts what it copied, and a launcher is nowhere.
        let copied = run.memory.processes.iter().map(|process| (process.id, process.copied.total()));
        prop_assert_eq!(copied.collect::<BTreeMap<_, _>>(), pages.clone());
        let last = run.memory.timeline.samples.last().unwrap();
        prop_assert_eq!(last.copied_pages, pages.values().sum::<u64>());
        let is_launchers = |id: &u32| launchers.contains(id);
        prop_assert!(!run.memory.rows.iter().any(|row| is_launchers(&row.process_id)));
        prop_assert!(!run.memory.regions.iter().any(|region| is_launchers(&region.process_id)));
        let mut parents = run.memory.processes.iter().filter_map(|process| process.parent_id);
        prop_assert!(parents.all(|parent| run.process(parent).is_some()));
        let samples = &run.memory.timeline.samples;
        prop_assert!(!samples.iter().any(|sample| sample.by_process.keys().any(is_launchers)));
        // Holders and walks name processes that are there.
        prop_assert!(numbers.iter().all(|id| is_launchers(id) || run.process(*id).is_some()));
    }
}
