//! A run while it is traced: what is new since the last look.

use std::collections::HashSet;

use super::{Row, Run};

/// A run so far.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The run. Left out: what has not changed since the snapshots before.
    pub run: Run,
    /// Which parts of the run it contains.
    pub scope: SnapshotScope,
}

/// Which parts of a run a snapshot contains; the other parts have not changed. By default: all parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotScope {
    /// Processes whose rows it contains, by serial number; none: all processes.
    pub rows_of: Option<HashSet<u32>>,
    /// Number of samples of the timeline before the first that it contains.
    pub samples_before: usize,
    /// Whether writers, their frames and stacks are left out.
    pub without_writers: bool,
    /// Whether variables and how they were looked up are left out.
    pub without_holders: bool,
}

impl Snapshot {
    /// Brings a run up to date that has all snapshots before this one.
    pub fn add_to(self, so_far: &mut Run) {
        let Self { mut run, scope } = self;
        let before = std::mem::take(so_far);
        run.memory.rows = scope.rows(before.memory.rows, run.memory.rows);
        let mut samples = before.memory.timeline.samples;
        samples.truncate(scope.samples_before);
        samples.append(&mut run.memory.timeline.samples);
        if scope.without_writers {
            run.who_wrote = before.who_wrote;
            run.growth.growers = before.growth.growers;
        }
        if scope.without_holders {
            run.who_holds = before.who_holds;
        }
        run.memory.timeline.samples = samples;
        *so_far = run;
    }
}

impl SnapshotScope {
    /// All rows, of those so far and of those that a snapshot contains.
    fn rows(&self, mut so_far: Vec<Row>, new: Vec<Row>) -> Vec<Row> {
        let Some(changed) = &self.rows_of else {
            return new;
        };
        so_far.retain(|row| !changed.contains(&row.process_id));
        so_far.extend(new);
        so_far.sort_by_key(Row::place);
        so_far
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{
        CopiedMemory, Growth, HeapWalk, Sample, Sources, Timeline, WhoWrote, WriteKind, Writer,
    };

    fn row(process_id: u32, start: u64, anon: u64) -> Row {
        Row {
            process_id,
            region_id: None,
            start: Some(start),
            mapping: None,
            copied: Sources {
                anon,
                ..Sources::default()
            },
            reused_faults: 0,
        }
    }

    fn snapshot(rows: Vec<Row>, at_ns: &[u64], scope: SnapshotScope) -> Snapshot {
        let samples = at_ns.iter().map(|&at_ns| Sample {
            at_ns,
            ..Sample::default()
        });
        let memory = CopiedMemory {
            rows,
            timeline: Timeline {
                interval_ns: 1,
                samples: samples.collect(),
            },
            ..CopiedMemory::default()
        };
        Snapshot {
            run: Run {
                memory,
                growth: Growth::default(),
                ..Run::default()
            },
            scope,
        }
    }

    fn times(run: &Run) -> Vec<u64> {
        let samples = run.memory.timeline.samples.iter();
        samples.map(|sample| sample.at_ns).collect()
    }

    #[test]
    fn a_snapshot_replaces_what_it_contains_and_leaves_the_rest() {
        let mut run = Run::default();
        let whole = SnapshotScope::default();
        let mut first = snapshot(vec![row(1, 0, 5), row(2, 0, 7)], &[1, 2], whole);
        first.run.who_wrote = WhoWrote {
            writers: vec![Writer {
                kind: WriteKind::Gc,
                type_name: None,
                function: None,
                module: None,
                inlined: Vec::new(),
                system_call: None,
                region_id: None,
                python_stack: None,
                native_stack: None,
                store: None,
                copied_pages: 12,
            }],
            ..WhoWrote::default()
        };
        first.run.who_holds.heap_walks.push(HeapWalk {
            asked_pages: 12,
            ..HeapWalk::default()
        });
        first.add_to(&mut run);
        let part = SnapshotScope {
            rows_of: Some([1, 3].into()),
            samples_before: 2,
            without_writers: true,
            without_holders: true,
        };
        snapshot(vec![row(1, 0, 6), row(3, 9, 1)], &[3], part).add_to(&mut run);
        assert_eq!(run.memory.rows, [row(1, 0, 6), row(2, 0, 7), row(3, 9, 1)]);
        assert_eq!(times(&run), [1, 2, 3]);
        assert_eq!(run.who_wrote.writers[0].copied_pages, 12);
        assert_eq!(run.who_holds.heap_walks[0].asked_pages, 12);
    }

    #[test]
    fn a_whole_snapshot_replaces_everything() {
        let mut run = Run::default();
        let whole = SnapshotScope::default;
        snapshot(vec![row(1, 0, 5)], &[1, 2], whole()).add_to(&mut run);
        snapshot(vec![row(2, 0, 5)], &[4], whole()).add_to(&mut run);
        assert_eq!(run.memory.rows, [row(2, 0, 5)]);
        assert_eq!(times(&run), [4]);
    }
}
