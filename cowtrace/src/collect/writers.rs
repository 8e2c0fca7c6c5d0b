//! Who wrote, and who touched new memory: takes in the evidence of each copy and of sampled first touches, knows which program a process runs, and which processes
//! can be read to name the writer.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use cowtrace_common::evidence::{Evidence, WANTS_WORDS};

use super::{
    clock::Clock,
    processes::{record::Record, records::Records, rows::kind_of_touch},
    programs::{LivingProcesses, ProgramsBySlot, ReadableProgram, living_by_program},
};
use crate::{
    probe::{Probe, Tables},
    run::{Grower, Kind, Loss, WhoWrote},
    stop::Stop,
    writer::{NamedWriters, Objects, Origin, Writers},
};

/// Standard deviations that 19 of 20 errors stay within.
const DEVIATIONS: f64 = 1.96;

/// Longest pause between looks for an interpreter in a program: the last look is after some minutes.
const MAX_PAUSE: u32 = 1 << 11;
/// Time after its start in which a program may still load an interpreter, ns.
const SETTLED_NS: u64 = 1_000_000_000;

/// The evidence of who wrote, by program. A program is known by the record that began it.
pub(super) struct WriterEvidence {
    clock: Clock,
    stop: Stop,
    writers: Writers,
    /// The kernel side's number of each interpreter, by program.
    interpreters: HashMap<u32, u32>,
    /// What the evidence of each program has; of others, words near the address.
    wants: HashMap<u32, u32>,
    /// Programs that may still load an interpreter, by the look that is due.
    starting: BTreeMap<u32, Vec<StartingProgram>>,
    /// Looks so far.
    looks: u32,
    /// Squares of the copies for which each piece of evidence stands, where these are several.
    squares: f64,
    living: LivingProcesses,
}

/// A program that may still load an interpreter.
struct StartingProgram {
    /// The record of a process that runs it.
    process: u32,
    /// Looks until the next one; twice as many each time.
    pause: u32,
}

/// A copy of memory of a Python program.
pub(super) struct PythonCopy<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) program: u32,
    /// Process id of the writer.
    pub(super) pid: u32,
    /// Address of the type, if an object was written.
    pub(super) type_address: Option<u64>,
    pub(super) writers: &'a Writers,
}

/// What a sum of such evidence is wrong by, 19 times in 20, if it has half of all: then it is most.
fn error_of_sums(squares: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and far below the number of copies"
    )]
    let pages = (DEVIATIONS / 2.0 * squares.sqrt()).ceil() as u64;
    pages
}

impl WriterEvidence {
    pub(super) fn new(proc_root: PathBuf, clock: Clock, stop: Stop) -> Self {
        Self {
            clock,
            stop,
            writers: Writers::new(proc_root),
            interpreters: HashMap::new(),
            wants: HashMap::new(),
            starting: BTreeMap::new(),
            looks: 0,
            squares: 0.0,
            living: LivingProcesses::default(),
        }
    }

    /// Takes in evidence of processes that have records, and passes each copy of a Python program's
    /// memory to `keep`.
    pub(super) fn take(
        &mut self,
        waiting: &[Evidence],
        probe: &Probe,
        records: &Records,
        loss: &mut Loss,
        mut keep: impl FnMut(&PythonCopy<'_>),
    ) {
        self.living.begin(records, self.clock.elapsed_ns());
        // Given back below.
        let mut programs = ProgramsBySlot::new(std::mem::take(&mut self.living));
        for evidence in waiting {
            let Some(program) = programs.of_slot(records, evidence.core.slot()) else {
                if evidence.is_touch() {
                    loss.touches_full += 1;
                } else {
                    loss.writers_full += evidence.pages();
                }
                continue;
            };
            // The process that only starts the command is not part of the run.
            let Some(&pid) = program.pids.first() else {
                continue;
            };
            if evidence.is_touch() {
                self.add_touch(evidence, program, probe, records);
                continue;
            }
            if evidence.core.passed_over() > 0 {
                self.squares += (evidence.pages() as f64).powi(2);
                loss.writers_sampled += evidence.pages();
                loss.writers_drawn += 1;
                loss.writers_error = error_of_sums(self.squares);
            }
            let type_address = self.add(evidence, program, probe, records);
            // Only now is the kind of program known.
            if self.writers.runs_python(program.id) {
                keep(&PythonCopy {
                    evidence,
                    program: program.id,
                    pid,
                    type_address,
                    writers: &self.writers,
                });
            }
        }
        for program in programs.found() {
            self.settle_words(program, records, &probe.tables);
        }
        self.living = programs.living;
    }

    /// Looks again for code that was made just before it wrote.
    pub(super) fn look_for_missed(&mut self) {
        self.writers.look_for_missed();
    }

    /// Adds one copy; returns the address of the type if an object was written.
    fn add(
        &mut self,
        evidence: &Evidence,
        program: &ReadableProgram,
        probe: &Probe,
        records: &Records,
    ) -> Option<u64> {
        let record = records.written_in_slot(evidence.core.slot());
        let origin = Origin {
            program: program.id,
            pids: &program.pids,
            ancestors: &program.ancestors,
            region: record.and_then(|record| record.region_at(evidence.core.address)),
        };
        self.writers.take(
            evidence,
            origin,
            |stack| probe.pythons.as_ref()?.stack(stack),
            |stack| probe.natives.as_ref()?.stack(stack),
        )
    }

    /// Adds one sampled first touch.
    fn add_touch(
        &mut self,
        evidence: &Evidence,
        program: &ReadableProgram,
        probe: &Probe,
        records: &Records,
    ) {
        let Some(record) = records.written_in_slot(evidence.core.slot()) else {
            return;
        };
        let address = evidence.core.address;
        // Address 0 stands for an unknown one.
        let kind = (address > 0).then(|| kind_of_touch(record, address, 1));
        let kind = kind.flatten();
        if kind == Some(Kind::Shared) {
            return;
        }
        let origin = Origin {
            program: program.id,
            pids: &program.pids,
            ancestors: &program.ancestors,
            region: None,
        };
        self.writers.take_touch(
            evidence,
            origin,
            (record.id, kind),
            |stack| probe.pythons.as_ref()?.stack(stack),
            |stack| probe.natives.as_ref()?.stack(stack),
        );
    }

    /// Has the kernel side send words, or values, only of programs in which they may tell something: they are a
    /// third of the evidence.
    fn settle_words(&mut self, program: u32, records: &Records, tables: &Tables) {
        let now_ns = self.clock.elapsed_ns();
        let has_settled = records.get(program).is_none_or(|first| {
            let began_before_trace = first.started_ns == 0;
            began_before_trace || now_ns.saturating_sub(first.started_ns) >= SETTLED_NS
        });
        let wants = if has_settled {
            self.writers.wants(program)
        } else {
            WANTS_WORDS
        };
        if self.wants.insert(program, wants).unwrap_or(WANTS_WORDS) != wants {
            for slot in slots_of(records, program) {
                tables.set_wants(slot, wants);
            }
        }
    }

    /// Notes a new process: sets up the kernel side for the program that it runs.
    pub(super) fn note_process(&mut self, id: u32, records: &Records, probe: &mut Probe) {
        if let Some(slot) = records.get(id).and_then(|record| record.slot) {
            let wants = self.wants.get(&records.program_of(id)).copied();
            probe.tables.set_wants(slot, wants.unwrap_or(WANTS_WORDS));
        }
        self.find_interpreter(id, records, probe);
    }

    /// Notes a process whose program may not have loaded its interpreter yet.
    pub(super) fn await_interpreter(&mut self, id: u32, records: &Records, probe: &Probe) {
        let program = records.program_of(id);
        if probe.pythons.is_some() && !self.interpreters.contains_key(&program) {
            let due = self.starting.entry(self.looks + 1).or_default();
            due.push(StartingProgram {
                process: id,
                pause: 1,
            });
        }
    }

    /// Looks into programs that have started: an interpreter needs some milliseconds until it has
    /// threads, and may fork at any time after that. Called every 50 ms; the looks become rarer, since
    /// most programs have no interpreter.
    pub(super) fn look_for_interpreters(&mut self, records: &Records, probe: &mut Probe) {
        self.looks += 1;
        let Some(due) = self.starting.remove(&self.looks) else {
            return;
        };
        for StartingProgram { process, pause } in due {
            let is_alive = |record: &Record| record.exited_ns.is_none();
            if !records.get(process).is_some_and(is_alive) {
                continue;
            }
            self.find_interpreter(process, records, probe);
            let is_known = self.interpreters.contains_key(&records.program_of(process));
            if !is_known && pause < MAX_PAUSE {
                let next = self.starting.entry(self.looks + pause).or_default();
                next.push(StartingProgram {
                    process,
                    pause: 2 * pause,
                });
            }
        }
    }

    /// Has the kernel side walk the Python frames of a process if its program runs Python: from its
    /// fork on, since a child inherits the setting.
    fn find_interpreter(&mut self, id: u32, records: &Records, probe: &mut Probe) {
        let Some(pythons) = &mut probe.pythons else {
            return;
        };
        let program = records.program_of(id);
        let Some(record) = records.get(id) else {
            return;
        };
        if let Some(&number) = self.interpreters.get(&program) {
            if let Some(slot) = record.slot {
                probe.tables.set_interpreter(slot, number);
            }
            return;
        }
        let pid = record.pid;
        // It may have started another program, which has a record of its own, now or in a moment.
        let image = probe.tables.process_of(pid);
        if image.is_some() && image != record.slot {
            return;
        }
        let mut pids = vec![pid];
        pids.extend(records.get(program).map(|first| first.pid));
        let stop = &self.stop;
        let interpreter = self.writers.interpreter(program, &pids, || stop.is_due());
        let number = interpreter.and_then(|interpreter| pythons.add(&interpreter));
        // Before the first copy: no words are read for a native program, nor left out where a slow start seemed to be one.
        self.settle_words(program, records, &probe.tables);
        let Some(number) = number else {
            return;
        };
        self.interpreters.insert(program, number);
        for slot in slots_of(records, program) {
            probe.tables.set_interpreter(slot, number);
        }
        log::info!("process {pid} runs CPython: from now on its lines are known");
    }

    /// How to walk the objects of processes that run a program; none if it runs no supported CPython.
    pub(super) fn objects(&self, program: u32) -> Option<Objects> {
        self.writers.objects(program)
    }

    /// Has functions named that are new: it asks, and waits for nothing.
    pub(super) fn learn_names(&mut self) {
        self.writers.learn_names();
    }

    /// The writers so far, with the names of functions that are known by now.
    pub(super) fn so_far(&self) -> WhoWrote {
        self.writers.so_far()
    }

    /// Who grew the heap so far, as [`Self::so_far`].
    pub(super) fn growers_so_far(&self, records: &Records) -> Vec<Grower> {
        self.writers.growers_so_far(|id| records.id_in_run(id))
    }

    /// Names all writers; no evidence is left.
    pub(super) fn name(&mut self, records: &Records) -> NamedWriters {
        let living = living_by_program(records);
        let writers = std::mem::take(&mut self.writers);
        writers.name(
            |program| {
                let living = living.get(&program).into_iter().flatten();
                living.map(|(_, pid)| *pid).collect()
            },
            |id| records.id_in_run(id),
        )
    }
}

/// Slots of the living processes that run a program.
fn slots_of(records: &Records, program: u32) -> impl Iterator<Item = u32> {
    records
        .alive()
        .filter(move |record| records.program_of(record.id) == program)
        .filter_map(|record| record.slot)
}
