//! From records and counts to a [`Run`].

use std::collections::{BTreeMap, HashMap};

use cowtrace_common::{
    loss::Loss as KernelLoss,
    process::{OVERFLOW_SLOT, Source},
};

use super::{Collector, bss, record::Record};
use crate::{
    memory,
    probe::{RangeCount, Skipped, Tables},
    run::{Host, Loss, Mapping, Process, Role, Row, Run, Sources, attribution::refine_unknown},
};

/// What a run is called; the collector does not know.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Unique among all runs.
    pub id: String,
    /// Wall clock at the start, RFC 3339.
    pub started_at: String,
    /// Process ids the user gave.
    pub targets: Vec<u32>,
    /// What the user called the run.
    pub labels: BTreeMap<String, String>,
}

impl Collector {
    /// Takes the hooks off and gives everything that was observed.
    #[must_use]
    pub fn finish(mut self, meta: Meta) -> Run {
        let skipped = self.probe.detach();
        self.probe.flush_log();
        let open = self.probe.tables.drain_threads();
        let unsent = self.probe.tables.drain_evidence();
        self.take_evidence();
        // Events that came before the hooks went off.
        if let Err(error) = self.follow() {
            log::warn!("{error}");
        }
        self.find_lost_processes();
        self.take_evidence();
        self.take(&unsent);
        let named = self.name_writers();
        self.add_overflow_record();
        let last = self.sample();
        let duration_ns = last.at_ns;
        self.timeline.finish(last);
        for id in self
            .records
            .alive()
            .map(|record| record.id)
            .collect::<Vec<_>>()
        {
            self.name_now(id);
        }
        self.count_live(open);
        self.loss = self.kernel_losses(skipped);
        let (processes, mut rows) = self.processes();
        rows.sort_by_key(|row| {
            (
                row.process_id,
                row.start.is_none(),
                row.start,
                row.region_id,
            )
        });
        let told: Vec<u32> = processes
            .iter()
            .filter(|process| process.role == Role::Master)
            .map(|process| process.id)
            .collect();
        let mut regions = self.regions.into_regions(|process| told.contains(&process));
        bss::name(
            &mut regions,
            &processes,
            &self.proc_root,
            self.kernel.page_bytes,
        );
        let named = named.in_regions(&regions);
        Run {
            tool_version: env!("CARGO_PKG_VERSION").into(),
            host: Host {
                kernel: self.kernel.release.clone(),
                arch: self.kernel.arch.into(),
                page_bytes: self.kernel.page_bytes,
                cpus: self.kernel.cpus,
            },
            id: meta.id,
            started_at: meta.started_at,
            duration_ns,
            backend: self.probe.backend.into(),
            unseen: self
                .probe
                .unseen
                .iter()
                .map(|unseen| unseen.text().into())
                .collect(),
            rejected: self
                .probe
                .rejected
                .iter()
                .map(|tried| (tried.backend.into(), tried.reason.clone()))
                .collect(),
            targets: meta.targets,
            labels: meta.labels,
            processes,
            regions,
            range_bytes: self.probe.range_bytes,
            rows,
            writers: named.writers,
            python_frames: named.frames,
            python_stacks: named.stacks,
            loss: self.loss,
            timeline: self.timeline,
        }
    }

    /// Processes that found no slot count together.
    fn add_overflow_record(&mut self) {
        let totals = self.probe.tables.totals(OVERFLOW_SLOT);
        if totals.copied_pages() + totals.reused > 0 {
            self.records.add(Record::new(
                0,
                OVERFLOW_SLOT,
                0,
                "(processes beyond the table)".into(),
                Role::Worker,
            ));
        }
    }

    fn name_now(&mut self, id: u32) {
        self.read_current_mappings(id);
        let Some(record) = self.records.get_mut(id) else {
            return;
        };
        let comm = memory::comm(&self.proc_root, record.pid);
        if !comm.is_empty() {
            record.comm = comm;
        }
    }

    /// Rows of every process that still has its slot.
    fn count_live(&mut self, open: Vec<(u32, RangeCount)>) {
        let mut counts = counts_by_slot(&self.probe.tables, |_| true);
        for (slot, count) in open {
            counts.entry(slot).or_default().push(count);
        }
        for record in self.records.with_slot_mut() {
            let counts = record
                .slot
                .and_then(|slot| counts.remove(&slot))
                .unwrap_or_default();
            let rows = rows(record, &counts, self.probe.range_bytes, &mut self.loss);
            for row in &rows {
                if let Some(region) = row.region_id {
                    self.regions.count(region, &row.copied);
                }
            }
            record.rows = Some(rows);
        }
    }

    fn kernel_losses(&self, skipped: Skipped) -> Loss {
        let kernel = self.probe.loss();
        let count = |cause: KernelLoss| kernel[cause as usize];
        Loss {
            histogram_full: count(KernelLoss::HistogramFull),
            processes_full: count(KernelLoss::ProcessesFull),
            threads_full: self.loss.threads_full + count(KernelLoss::ThreadsFull),
            task_ids_full: count(KernelLoss::TaskIdsFull),
            lifecycle_dropped: count(KernelLoss::LifecycleDropped),
            pending_dropped: count(KernelLoss::PendingDropped),
            races_unwatched: count(KernelLoss::RacesUnwatched),
            writers_full: self.loss.writers_full + count(KernelLoss::WritersFull),
            stacks_full: count(KernelLoss::StacksFull),
            recursion_misses: skipped.runs,
            interrupts_skipped: skipped.by_interrupts,
            ..self.loss.clone()
        }
    }

    fn processes(&mut self) -> (Vec<Process>, Vec<Row>) {
        let mut rows = Vec::new();
        let mut processes = Vec::new();
        let records = std::mem::take(&mut self.records).into_records();
        let launchers: Vec<u32> = records
            .iter()
            .filter(|record| record.is_launcher)
            .map(|record| record.id)
            .collect();
        for record in records.into_iter().filter(|record| !record.is_launcher) {
            let mut copied = Sources::default();
            for row in record.rows.iter().flatten() {
                copied.add(&row.copied);
            }
            processes.push(Process {
                id: record.id,
                pid: record.pid,
                parent_id: record.parent.filter(|parent| !launchers.contains(parent)),
                comm: record.comm,
                role: record.role,
                started_ns: record.started_ns,
                exited_ns: record.exited_ns,
                copied,
                reused_faults: record.totals.reused,
                inherited_pages: record.inherited_pages,
            });
            rows.extend(record.rows.into_iter().flatten());
        }
        (processes, rows)
    }
}

/// The histogram's counts of some slots.
pub(super) fn counts_by_slot(
    tables: &Tables,
    wanted: impl Fn(u32) -> bool,
) -> HashMap<u32, Vec<RangeCount>> {
    let mut counts: HashMap<u32, Vec<RangeCount>> = HashMap::new();
    for (slot, count) in tables.ranges().filter(|(slot, _)| wanted(*slot)) {
        counts.entry(slot).or_default().push(count);
    }
    counts
}

/// Gives each count to its region: first to what the process inherited, then to what it passes on
/// itself, else to nothing. The rows' sums equal the record's totals.
pub(super) fn rows(
    record: &Record,
    counts: &[RangeCount],
    range_bytes: u64,
    loss: &mut Loss,
) -> Vec<Row> {
    let mut sums: BTreeMap<(u64, Option<u32>), Row> = BTreeMap::new();
    for count in counts
        .iter()
        .filter(|count| count.copied + count.reused > 0)
    {
        let (region_id, mapping) = locate(record, count, loss);
        let name = if region_id.is_none() {
            mapping.map(|mapping| mapping.name.clone())
        } else {
            None
        };
        for part in parts(count, mapping, range_bytes) {
            let start = part.start & !(range_bytes - 1);
            let row = sums.entry((start, region_id)).or_insert_with(|| Row {
                process_id: record.id,
                region_id,
                start: Some(start),
                mapping: name.clone(),
                copied: Sources::default(),
                reused_faults: 0,
            });
            row.copied.add(&sources(&part, mapping));
            row.reused_faults += part.reused;
        }
    }
    let mut rows: Vec<Row> = sums.into_values().collect();
    let unranged = &record.totals;
    if unranged.unranged_copied + unranged.unranged_reused > 0 {
        rows.push(Row {
            process_id: record.id,
            region_id: None,
            start: None,
            mapping: None,
            copied: Sources {
                unknown: unranged.unranged_copied,
                ..Sources::default()
            },
            reused_faults: unranged.unranged_reused,
        });
    }
    rows
}

/// A count of huge pages, which stands in the range where they begin, over all ranges that they
/// cover; any other as it is.
fn parts(count: &RangeCount, mapping: Option<&Mapping>, range_bytes: u64) -> Vec<RangeCount> {
    let huge_page_bytes = mapping.map_or(0, |mapping| mapping.huge_page_bytes);
    let covered = huge_page_bytes / range_bytes;
    if count.source != Source::Hugetlb || covered <= 1 {
        return vec![*count];
    }
    // The mapping was read at another moment than the copies were made: no page may be lost.
    let each = count.copied / covered;
    (0..covered)
        .map(|part| RangeCount {
            start: count.start + part * range_bytes,
            copied: if part == 0 {
                count.copied - each * (covered - 1)
            } else {
                each
            },
            reused: if part == 0 { count.reused } else { 0 },
            ..*count
        })
        .collect()
}

fn locate<'a>(
    record: &'a Record,
    count: &RangeCount,
    loss: &mut Loss,
) -> (Option<u32>, Option<&'a Mapping>) {
    let current = record.current.as_ref().and_then(|mappings| {
        mappings
            .iter()
            .find(|mapping| mapping.contains(count.start))
    });
    for layout in [&record.inherited, &record.own].into_iter().flatten() {
        let Some(place) = layout.place(count.start, count.bytes) else {
            continue;
        };
        // The process may have mapped something else there since.
        if current.is_some_and(|now| place.mapping.is_replaced_by(now)) {
            continue;
        }
        if place.is_mixed {
            loss.unsplit_pages += count.copied;
        }
        return (Some(place.region), Some(place.mapping));
    }
    (None, current)
}

fn sources(count: &RangeCount, mapping: Option<&Mapping>) -> Sources {
    let pages = count.copied;
    match count.source {
        Source::Unknown => refine_unknown(pages, mapping),
        Source::Anon => Sources {
            anon: pages,
            ..Sources::default()
        },
        Source::File => Sources {
            file: pages,
            ..Sources::default()
        },
        Source::Zero => Sources {
            zero: pages,
            ..Sources::default()
        },
        Source::Ksm => Sources {
            ksm: pages,
            ..Sources::default()
        },
        Source::Hugetlb => Sources {
            hugetlb: pages,
            ..Sources::default()
        },
    }
}

/// One row a region, for when single ranges must be given up.
pub(super) fn without_ranges(rows: Vec<Row>) -> Vec<Row> {
    let mut sums: BTreeMap<Option<u32>, Row> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.region_id).or_insert_with(|| Row {
            start: None,
            mapping: None,
            copied: Sources::default(),
            reused_faults: 0,
            ..row.clone()
        });
        sum.copied.add(&row.copied);
        sum.reused_faults += row.reused_faults;
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Kind;

    #[test]
    fn huge_pages_are_spread_over_what_they_cover() {
        let mapping = Mapping {
            start: 0x4000_0000,
            end: 0x4080_0000,
            name: "/anon_hugepage (deleted)".into(),
            kind: Kind::File,
            perms: "rw-p".into(),
            offset: 0,
            resident_pages: 2048,
            anonymous_pages: 0,
            huge_page_bytes: 2 << 20,
            mergeable: false,
        };
        let count = RangeCount {
            start: 0x4020_0000,
            bytes: 1 << 16,
            source: Source::Hugetlb,
            copied: 1024,
            reused: 1,
        };
        let spread = parts(&count, Some(&mapping), 1 << 16);
        assert_eq!(spread.len(), 32);
        assert!(spread.iter().all(|part| part.copied == 32));
        assert_eq!(spread[31].start, 0x403f_0000);
        assert_eq!(spread.iter().map(|part| part.reused).sum::<u64>(), 1);
        assert_eq!(parts(&count, None, 1 << 16).len(), 1);
        assert_eq!(parts(&count, Some(&mapping), 4 << 20).len(), 1);
    }
}
