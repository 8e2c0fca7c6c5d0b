//! The part of a run that came after a moment, while it is traced.

use std::collections::HashMap;

use super::{Row, Run, Sources, WriteKind, Writer};

/// What had been copied at a moment of the trace.
#[derive(Clone, Debug, Default)]
pub struct CopiedBefore {
    processes: HashMap<u32, Sources>,
    regions: HashMap<u32, u64>,
    rows: HashMap<(u32, Option<u32>, Option<u64>), Sources>,
    writers: HashMap<WriterKey, PagesByCode>,
    duration_ns: u64,
}

/// Pages copied by writers of one key, by native code, which gets its names while the trace runs.
type PagesByCode = HashMap<CodeOfWriter, u64>;

/// The native code of a writer: its function, with what is inlined there, and its stack. Stacks keep their numbers.
type CodeOfWriter = (Option<String>, Vec<String>, Option<u32>);

/// A writer without its native code.
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
        Self {
            processes: processes.map(|it| (it.id, it.copied)).collect(),
            regions: regions.map(|it| (it.id, it.copied_pages)).collect(),
            rows: rows.map(|it| (key_of_row(it), it.copied)).collect(),
            writers: pages_by_writer(run),
            duration_ns: run.head.duration_ns,
        }
    }

    /// The part of a run that came after it: what was copied, where and by whom.
    #[must_use]
    pub fn since(self, run: &Run) -> Run {
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
        part.who_wrote.writers = self.writers_since(run);
        part
    }
}

impl CopiedBefore {
    /// Who copied after it. Where code had no name at that moment and has one now, its earlier pages are not known
    /// apart: then what is alike but for the code is one writer without any.
    fn writers_since(&self, run: &Run) -> Vec<Writer> {
        let now = pages_by_writer(run);
        let was_named = |key: &WriterKey| {
            let (now, before) = (now.get(key), self.writers.get(key));
            nameless(now) < nameless(before)
        };
        let mut merged: HashMap<WriterKey, Writer> = HashMap::new();
        let mut writers = Vec::new();
        for writer in &run.who_wrote.writers {
            let key = WriterKey::of(writer);
            if was_named(&key) {
                let pages = writer.copied_pages;
                let sum = merged.entry(key).or_insert_with(|| without_code(writer));
                sum.copied_pages += pages;
                continue;
            }
            let before = self
                .writers
                .get(&key)
                .and_then(|it| it.get(&code_of(writer)));
            let mut writer = writer.clone();
            writer.copied_pages -= writer.copied_pages.min(before.copied().unwrap_or(0));
            writers.push(writer);
        }
        for (key, mut writer) in merged {
            let before: u64 = self.writers[&key].values().sum();
            writer.copied_pages = writer.copied_pages.saturating_sub(before);
            writers.push(writer);
        }
        writers.retain(|it| it.copied_pages > 0);
        writers.sort_by_key(|it| std::cmp::Reverse(it.copied_pages));
        writers
    }
}

/// Pages of code that has no name.
fn nameless(pages: Option<&PagesByCode>) -> u64 {
    let pages = pages.into_iter().flatten();
    let nameless = pages.filter(|((function, ..), _)| function.is_none());
    nameless.map(|(_, pages)| pages).sum()
}

fn pages_by_writer(run: &Run) -> HashMap<WriterKey, PagesByCode> {
    let mut sums: HashMap<WriterKey, PagesByCode> = HashMap::new();
    for writer in &run.who_wrote.writers {
        let by_code = sums.entry(WriterKey::of(writer)).or_default();
        *by_code.entry(code_of(writer)).or_default() += writer.copied_pages;
    }
    sums
}

fn code_of(writer: &Writer) -> CodeOfWriter {
    (
        writer.function.clone(),
        writer.inlined.clone(),
        writer.native_stack,
    )
}

/// A writer alike but for its code, of which nothing is known, and with no pages yet.
fn without_code(writer: &Writer) -> Writer {
    Writer {
        function: None,
        module: None,
        inlined: Vec::new(),
        native_stack: None,
        copied_pages: 0,
        ..writer.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(writers: &[(Option<&str>, u64)]) -> Run {
        let mut run = Run::default();
        let writers = writers.iter().map(|(function, copied_pages)| Writer {
            kind: WriteKind::Other,
            type_name: None,
            function: function.map(Into::into),
            module: function.map(|_| "libc".into()),
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            store: None,
            copied_pages: *copied_pages,
        });
        run.who_wrote.writers = writers.collect();
        run
    }

    fn since(before: &Run, now: &Run) -> Vec<(Option<String>, u64)> {
        let part = CopiedBefore::of(before).since(now);
        let writers = part.who_wrote.writers.into_iter();
        writers.map(|it| (it.function, it.copied_pages)).collect()
    }

    #[test]
    fn functions_have_what_they_copied_since() {
        let before = run(&[(Some("f"), 10), (Some("g"), 4), (None, 3)]);
        let now = run(&[(Some("f"), 15), (Some("g"), 4), (None, 5), (Some("h"), 1)]);
        let expected = [(Some("f".into()), 5), (None, 2), (Some("h".into()), 1)];
        assert_eq!(since(&before, &now), expected);
    }

    #[test]
    fn where_names_came_after_the_moment_no_function_is_given_the_pages_of_another() {
        let before = run(&[(None, 10), (Some("f"), 5)]);
        let now = run(&[(Some("f"), 12), (Some("g"), 7)]);
        assert_eq!(since(&before, &now), [(None, 4)]);
    }
}
