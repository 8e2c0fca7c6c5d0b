//! Which allocators fill the memory that processes pass on, as far as its contents show it: the regions get their
//! names while the trace runs.
//!
//! Looking at memory takes some milliseconds a process, and more on a busy machine, in which evidence would pile up:
//! a thread does it. What it does not get to see keeps its plain name.

use std::{
    collections::HashMap,
    ops::Range,
    path::Path,
    rc::{Rc, Weak},
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use log::debug;

use super::processes::{
    attribution::{MappingLayout, RegionTable},
    record::Record,
    records::Records,
};
use crate::memory::{self, LargeMemory, find_allocators};

/// Processes that are looked at in one go, of each of which at most some MiB are read, and at the end.
const MOST_AT_ONCE: usize = 4;
const MOST_AT_END: usize = 64;
/// Between two goes, and in times what one took: the thread runs for at most a fiftieth of the time.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_PER_COST: u32 = 50;
/// How long the end waits.
const WAIT_AT_END: Duration = Duration::from_secs(2);
/// How often a mapping is looked at in which no allocator is found: it may have been changing its own data.
const MOST_LOOKS: u8 = 2;

/// What is known of the memory of those who pass theirs on.
#[derive(Debug, Default)]
pub(super) struct AllocatorSearch {
    /// By serial number, of those who live.
    seen: HashMap<u32, SeenMemory>,
    /// Goes whose answers are still to come: one, and at the end another.
    running: Vec<Receiver<Answer>>,
    /// When the next go may begin; none before the first.
    due: Option<Instant>,
}

/// What was looked at of a process.
#[derive(Debug, Default)]
struct SeenMemory {
    /// The mappings as they were then.
    layout: Weak<MappingLayout>,
    /// How often each was looked at.
    looks: HashMap<Range<u64>, u8>,
}

/// A process to be looked at.
#[derive(Debug)]
struct Question {
    id: u32,
    pid: u32,
    memory: LargeMemory,
    /// Its mappings that need a look, with the regions that they belong to.
    mappings: Vec<Range<u64>>,
    regions: Vec<u32>,
}

/// What a go has found, and how long it took.
#[derive(Debug)]
struct Answer {
    found: Vec<(Question, Vec<Option<&'static str>>)>,
    took: Duration,
}

impl AllocatorSearch {
    /// Takes in what was found, and begins to look at memory that is new since. Called regularly.
    pub(super) fn look(&mut self, records: &Records, regions: &mut RegionTable, proc_root: &Path) {
        self.take(regions, None);
        let is_due = self.due.is_none_or(|due| Instant::now() >= due);
        if self.running.is_empty() && is_due {
            self.begin(records, proc_root, MOST_AT_ONCE, false);
        }
    }

    /// Begins to look at what was not looked at yet, for [`Self::finish`].
    pub(super) fn look_at_end(&mut self, records: &Records, proc_root: &Path) {
        self.begin(records, proc_root, MOST_AT_END, true);
    }

    /// Waits for what is still being looked at, but not long.
    pub(super) fn finish(&mut self, regions: &mut RegionTable) {
        self.take(regions, Instant::now().checked_add(WAIT_AT_END));
    }

    fn begin(&mut self, records: &Records, proc_root: &Path, most: usize, is_end: bool) {
        let is_alive = |id: u32| records.get(id).is_some_and(Record::is_alive_in_run);
        self.seen.retain(|id, _| is_alive(*id));
        let heirs = records.iter().filter(|record| {
            record.is_alive_in_run() && record.pid != 0 && record.passed.is_some()
        });
        let questions = heirs.filter_map(|record| self.question(record, is_end));
        let questions: Vec<Question> = questions.take(most).collect();
        if questions.is_empty() {
            return;
        }
        let root = proc_root.to_owned();
        let (answer, answers) = sync_channel(1);
        let look = move || {
            // Nobody waits for it any more, or it is taken.
            let _ = answer.send(answer_to(questions, &root));
        };
        let thread = thread::Builder::new().name("allocators".into());
        if thread.spawn(look).is_ok() {
            self.running.push(answers);
        }
    }

    /// What is to be looked at of a process, if there is anything. `again`: also if its mappings are as they were.
    fn question(&mut self, record: &Record, again: bool) -> Option<Question> {
        let layout = record.own.as_ref()?;
        let seen = self.seen.entry(record.id).or_default();
        if !again && std::ptr::eq(seen.layout.as_ptr(), Rc::as_ptr(layout)) {
            return None;
        }
        seen.layout = Rc::downgrade(layout);
        let memory = LargeMemory::of(layout.mappings());
        let all = memory.mappings();
        seen.looks.retain(|mapping, _| all.contains(mapping));
        let is_new = |it: &&Range<u64>| seen.looks.get(it).is_none_or(|looks| *looks < MOST_LOOKS);
        let (mappings, regions): (Vec<_>, Vec<_>) = all
            .iter()
            .filter(is_new)
            .filter_map(|it| Some((it.clone(), layout.region_at(it.start)?)))
            .unzip();
        (!mappings.is_empty()).then_some(Question {
            id: record.id,
            pid: record.pid,
            memory,
            mappings,
            regions,
        })
    }

    /// Takes what goes have found that are done, or waits for them.
    fn take(&mut self, regions: &mut RegionTable, until: Option<Instant>) {
        let mut open = Vec::new();
        for answers in std::mem::take(&mut self.running) {
            match next_of(&answers, until) {
                Ok(answer) => self.take_in(answer, regions),
                Err(RecvTimeoutError::Timeout) => open.push(answers),
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        self.running = open;
    }

    fn take_in(&mut self, answer: Answer, regions: &mut RegionTable) {
        let pause = PAUSE.max(answer.took.saturating_mul(PAUSE_PER_COST));
        self.due = Instant::now().checked_add(pause);
        for (question, names) in answer.found {
            let mut seen = self.seen.get_mut(&question.id);
            let mappings = question.mappings.into_iter().zip(question.regions);
            for ((mapping, region), name) in mappings.zip(names) {
                if let Some(seen) = &mut seen {
                    let looks = seen.looks.entry(mapping.clone()).or_default();
                    *looks = name.map_or(looks.saturating_add(1), |_| MOST_LOOKS);
                }
                regions.note_allocator(region, mapping, name);
            }
        }
    }
}

/// What a go has found, if it is done by then, or now.
fn next_of(answers: &Receiver<Answer>, until: Option<Instant>) -> Result<Answer, RecvTimeoutError> {
    match until {
        Some(until) => answers.recv_timeout(until.saturating_duration_since(Instant::now())),
        None => answers.try_recv().map_err(|error| match error {
            TryRecvError::Empty => RecvTimeoutError::Timeout,
            TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
        }),
    }
}

fn answer_to(questions: Vec<Question>, proc_root: &Path) -> Answer {
    let begun = Instant::now();
    let page_bytes = memory::page_bytes();
    let find = |it: Question| {
        let names = find_allocators(proc_root, it.pid, page_bytes, &it.memory, &it.mappings);
        debug!("allocators of mappings of process {}: {names:?}", it.pid);
        (it, names)
    };
    Answer {
        found: questions.into_iter().map(find).collect(),
        took: begun.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collect::processes::inheritance::PassedOn,
        run::{Kind, Mapping, Role},
    };

    const UNIT: u64 = 2 << 20;

    /// Bytes in front of the heap.
    const FRONT: u64 = 64 << 10;

    /// Memory of this process with a heap of PHP in it, of two chunks, and its address.
    fn chunks() -> (Vec<u64>, u64) {
        let mut memory = vec![1_u64; 4 * (UNIT / 8) as usize];
        let own = memory.as_ptr() as u64;
        let first = (own + FRONT).next_multiple_of(UNIT);
        let second = first + UNIT;
        let at = ((first - own) / 8) as usize;
        let free = 0x64 | 0x190 << 32;
        memory[at..at + 4].copy_from_slice(&[first + 64, second, second, free]);
        let next = at + (UNIT / 8) as usize;
        memory[next..next + 4].copy_from_slice(&[first + 64, first, first, free]);
        (memory, first)
    }

    fn mapping(start: u64, end: u64) -> Mapping {
        Mapping {
            start,
            end,
            name: Mapping::UNNAMED.into(),
            kind: Kind::Anon,
            perms: "rw-p".into(),
            offset: 0,
            resident_pages: 1,
            anonymous_pages: 1,
            huge_page_bytes: 0,
            mergeable: false,
        }
    }

    /// This process, as one that passes memory on.
    struct Heir {
        search: AllocatorSearch,
        records: Records,
        regions: RegionTable,
        id: u32,
    }

    impl Heir {
        fn new(pid: u32) -> Self {
            let mut records = Records::default();
            let mut record = Record::new(pid, 2, 1, "php".into(), Role::Master);
            record.passed = Some(PassedOn::default());
            Self {
                search: AllocatorSearch::default(),
                id: records.add(record),
                records,
                regions: RegionTable::default(),
            }
        }

        fn fork(&mut self, mappings: Vec<Mapping>) {
            let layout = self.regions.layout(self.id, mappings, true);
            self.records.get_mut(self.id).unwrap().own = Some(layout);
        }

        /// Looks now; returns whether there was anything to look at.
        fn look(&mut self) -> bool {
            self.search.due = None;
            let root = Path::new("/proc");
            self.search.look(&self.records, &mut self.regions, root);
            let has_begun = !self.search.running.is_empty();
            self.search.finish(&mut self.regions);
            has_begun
        }

        fn names(&self) -> Vec<String> {
            let regions = self.regions.so_far(&HashMap::new(), |_| true);
            let names = regions.into_iter().map(|region| region.mapping.name);
            names.collect()
        }
    }

    #[test]
    fn a_heap_is_named_after_the_fork_and_looked_at_again_when_it_has_grown() {
        let (memory, heap) = chunks();
        let mut heir = Heir::new(std::process::id());
        assert!(!heir.look(), "it has not forked");
        heir.fork(vec![mapping(heap, heap + UNIT)]);
        assert_eq!(heir.names(), ["[anon]"]);
        assert!(heir.look());
        assert_eq!(heir.names(), ["[zend heap]"]);
        heir.fork(vec![mapping(heap, heap + UNIT)]);
        assert!(!heir.look(), "it is known");
        heir.fork(vec![mapping(heap, heap + 2 * UNIT)]);
        assert_eq!(
            heir.names(),
            ["[anon]"],
            "nobody has looked at its new half"
        );
        assert!(heir.look());
        assert_eq!(heir.names(), ["[zend heap]"]);
        drop(memory);
    }

    /// Some bytes of a file's data that begins as zeros may lie in front of other memory, in the same mapping.
    #[test]
    fn a_heap_is_found_where_the_search_for_another_allocator_finds_nothing() {
        let (mut memory, heap) = chunks();
        // Like a pointer to where nothing is, everywhere.
        memory
            .iter_mut()
            .filter(|word| **word == 1)
            .for_each(|word| *word = 1 << 12);
        let data = heap - FRONT;
        let file = Mapping {
            kind: Kind::File,
            name: "/lib/x.so".into(),
            ..mapping(data - 4096, data)
        };
        let mut heir = Heir::new(std::process::id());
        heir.fork(vec![
            file,
            mapping(data, heap + UNIT),
            mapping(heap + UNIT, heap + 2 * UNIT),
        ]);
        assert!(heir.look());
        assert_eq!(heir.names(), ["/lib/x.so", "[zend heap]", "[zend heap]"]);
        drop(memory);
    }

    #[test]
    fn what_is_no_allocators_is_looked_at_twice_and_no_more() {
        let (memory, heap) = chunks();
        let mut heir = Heir::new(std::process::id());
        for is_looked_at in [true, true, false] {
            heir.fork(vec![mapping(heap + 4096, heap + UNIT + 4096)]);
            assert_eq!(heir.look(), is_looked_at);
            assert_eq!(heir.names(), ["[anon]"]);
        }
        drop(memory);
    }

    #[test]
    fn what_was_not_reached_before_the_end_is_looked_at_there() {
        let (memory, heap) = chunks();
        let mut heir = Heir::new(std::process::id());
        heir.fork(vec![mapping(heap, heap + 2 * UNIT)]);
        heir.search.look_at_end(&heir.records, Path::new("/proc"));
        heir.search.finish(&mut heir.regions);
        assert_eq!(heir.names(), ["[zend heap]"]);
        drop(memory);
        let mut gone = Heir::new(u32::MAX);
        gone.fork(vec![mapping(heap, heap + UNIT)]);
        assert!(gone.look());
        assert_eq!(gone.names(), ["[anon]"], "its memory cannot be read");
    }
}
