//! The part of a run that came after a moment, while it is traced.

use std::collections::HashMap;

use super::{Row, Run, Sources, WriteKind, Writer};

/// What had been copied at a moment of the trace.
#[derive(Clone, Debug, Default)]
pub struct CopiedBefore {
    processes: HashMap<u32, Sources>,
    regions: HashMap<u32, u64>,
    rows: HashMap<(u32, Option<u32>, Option<u64>), Sources>,
    writers: HashMap<WriterKey, u64>,
    duration_ns: u64,
}

/// A writer while the trace runs, when no native function has a name. Stacks keep their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct WriterKey {
    kind: WriteKind,
    type_name: Option<String>,
    system_call: Option<u32>,
    region: Option<u32>,
    python_stack: Option<u32>,
}

impl WriterKey {
    fn of(writer: &Writer) -> Self {
        Self {
            kind: writer.kind,
            type_name: writer.type_name.clone(),
            system_call: writer.system_call,
            region: writer.region_id,
            python_stack: writer.python_stack,
        }
    }
}

impl CopiedBefore {
    /// By the run at that moment.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let processes = run.memory.processes.iter();
        let regions = run.memory.regions.iter();
        let rows = run.memory.rows.iter();
        let mut before = Self {
            processes: processes.map(|it| (it.id, it.copied)).collect(),
            regions: regions.map(|it| (it.id, it.copied_pages)).collect(),
            rows: rows.map(|it| (key_of_row(it), it.copied)).collect(),
            writers: HashMap::new(),
            duration_ns: run.head.duration_ns,
        };
        for writer in &run.who_wrote.writers {
            *before.writers.entry(WriterKey::of(writer)).or_default() += writer.copied_pages;
        }
        before
    }

    /// The part of a run that came after it: what was copied, where and by whom.
    #[must_use]
    pub fn since(mut self, run: &Run) -> Run {
        let mut part = run.clone();
        part.head.duration_ns = run.head.duration_ns.saturating_sub(self.duration_ns);
        for process in &mut part.memory.processes {
            if let Some(before) = self.processes.get(&process.id) {
                process.copied = without(&process.copied, before);
            }
        }
        for region in &mut part.memory.regions {
            let before = self.regions.get(&region.id).copied().unwrap_or(0);
            region.copied_pages = region.copied_pages.saturating_sub(before);
            region.unshared_pages = region.unshared_pages.min(region.copied_pages);
        }
        for row in &mut part.memory.rows {
            if let Some(before) = self.rows.get(&key_of_row(row)) {
                row.copied = without(&row.copied, before);
            }
        }
        for writer in &mut part.who_wrote.writers {
            // Several writers may have one key: the earlier copies are taken off only once.
            if let Some(before) = self.writers.get_mut(&WriterKey::of(writer)) {
                let earlier = writer.copied_pages.min(*before);
                *before -= earlier;
                writer.copied_pages -= earlier;
            }
        }
        part.who_wrote.writers.retain(|it| it.copied_pages > 0);
        part
    }
}

const fn key_of_row(row: &Row) -> (u32, Option<u32>, Option<u64>) {
    (row.process_id, row.region_id, row.start)
}

fn without(now: &Sources, before: &Sources) -> Sources {
    Sources {
        anon: now.anon.saturating_sub(before.anon),
        file: now.file.saturating_sub(before.file),
        zero: now.zero.saturating_sub(before.zero),
        ksm: now.ksm.saturating_sub(before.ksm),
        hugetlb: now.hugetlb.saturating_sub(before.hugetlb),
        unknown: now.unknown.saturating_sub(before.unknown),
    }
}
