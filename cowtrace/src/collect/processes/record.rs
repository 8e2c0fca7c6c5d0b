//! What is known of one process image.

use std::{collections::HashSet, rc::Rc};

use super::{
    attribution::MappingLayout,
    inheritance::{Inheritance, PassedOn},
    touches::TouchesByKind,
};
use crate::{
    probe::{Tables, Totals},
    run::{CommandLine, Exit, HeldBefore, Mapping, Process, Role, Row, Sources, passes_on},
};

/// A process that has touched more new pages has memory of its own to pass on.
const MOST_TOUCHED: u64 = 256;

/// What rows of one process add up to. Its totals are read before its rows and may be less, while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::collect) struct Counted {
    pub copied: Sources,
    pub reused_faults: u64,
}

impl Counted {
    pub(in crate::collect) fn of(rows: &[Row]) -> Self {
        let mut counted = Self::default();
        for row in rows {
            counted.copied.add(&row.copied);
            counted.reused_faults += row.reused_faults;
        }
        counted
    }
}

/// One process image.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is known of it, each by itself"
)]
pub(in crate::collect) struct Record {
    pub id: u32,
    pub pid: u32,
    /// None once the final counts are taken.
    pub slot: Option<u32>,
    pub born_ns: u64,
    pub parent: Option<u32>,
    /// The record that runs the same program: its parent, if it was forked and has not started another
    /// program since.
    pub forked_from: Option<u32>,
    /// The memory that it inherited and copies.
    pub inheritance: Option<Inheritance>,
    /// Its own memory as it passes it on.
    pub passed: Option<PassedOn>,
    pub comm: String,
    /// What it runs, by its command line as last read; of the process that it forked from until then.
    pub command_line: Option<Rc<str>>,
    pub role: Role,
    /// Which of the targets it belongs to: its parent's, unless it is a master.
    pub target: Option<u32>,
    pub started_ns: u64,
    pub exited_ns: Option<u64>,
    /// How it ended, as far as its event came.
    pub exit: Option<Exit>,
    /// Whether `comm` must not be taken from the task that exits last: a thread may have a name of
    /// its own, and after exec the task has the next program's.
    pub name_is_final: bool,
    /// Whether it only started the command that is traced: left out of the run.
    pub is_launcher: bool,
    pub seemed_gone: bool,
    /// The master that started it, if it runs the same program as that one: it may be to take its place.
    pub restarts: Option<u32>,
    /// The parent's mappings at fork.
    pub inherited: Option<Rc<MappingLayout>>,
    /// Present pages in them that it can copy.
    pub inherited_pages: Option<u64>,
    /// Whether these are too few, or those that it passes on, since they could not be counted.
    pub is_uncounted: bool,
    /// Its own mappings when it last forked.
    pub own: Option<Rc<MappingLayout>>,
    /// Its own mappings as last read.
    pub current: Option<Vec<Mapping>>,
    pub totals: Totals,
    /// Its histogram, once it has exited.
    pub rows: Option<Vec<Row>>,
    /// Its first touches, as final as `rows`.
    pub touches: TouchesByKind,
    /// Anonymous pages that it has, as last read.
    pub held_pages: Option<u64>,
    /// Anonymous pages that it had when it was first traced.
    pub held_before: Option<u64>,
}

impl Record {
    pub(in crate::collect) fn new(
        pid: u32,
        slot: u32,
        born_ns: u64,
        comm: String,
        role: Role,
    ) -> Self {
        Self {
            id: 0,
            pid,
            slot: Some(slot),
            born_ns,
            parent: None,
            forked_from: None,
            inheritance: None,
            passed: None,
            comm,
            command_line: None,
            role,
            target: None,
            started_ns: 0,
            exited_ns: None,
            exit: None,
            name_is_final: false,
            is_launcher: false,
            seemed_gone: false,
            restarts: None,
            inherited: None,
            inherited_pages: None,
            is_uncounted: false,
            own: None,
            current: None,
            totals: Totals::default(),
            rows: None,
            touches: TouchesByKind::default(),
            held_pages: None,
            held_before: None,
        }
    }
}

impl Record {
    /// Takes in what was counted so far. What a launcher did is no part of the run.
    pub(in crate::collect) fn count(&mut self, totals: Totals) {
        if !self.is_launcher {
            self.totals = totals;
        }
    }

    /// Pages that it has written since it is traced, copied or not: a page counts once for each fork.
    pub(in crate::collect) fn pages_written(&self, tables: &Tables) -> u64 {
        let totals = self.slot.map_or(self.totals, |slot| tables.totals(slot));
        totals.copied_pages() + totals.reused
    }

    /// Whether it lives and is part of the run.
    pub(in crate::collect) const fn is_alive_in_run(&self) -> bool {
        self.exited_ns.is_none() && !self.is_launcher
    }

    /// Whether it was only a step on the way: it forked, and has exited at once with what it inherited as it was.
    pub(in crate::collect) fn is_step(&self, tables: &Tables) -> bool {
        let has_forked = self.passed.is_some() && self.started_ns > 0 && self.role == Role::Worker;
        if !has_forked {
            return false;
        }
        let touched = self.slot.map_or(0, |slot| tables.totals(slot).touched);
        let passes = |ended_ns: u64, inherited_pages| {
            let lived = ended_ns.saturating_sub(self.started_ns);
            passes_on(lived, self.pages_written(tables), inherited_pages)
        };
        let ended = self.exited_ns.zip(self.inherited_pages);
        touched <= MOST_TOUCHED && ended.is_some_and(|(at_ns, pages)| passes(at_ns, pages))
    }

    /// As it stands in a run with these processes, and with rows of these counts.
    pub(in crate::collect) fn process(&self, counted: Counted, in_run: &HashSet<u32>) -> Process {
        Process {
            id: self.id,
            pid: self.pid,
            parent_id: self.parent.filter(|parent| in_run.contains(parent)),
            comm: self.comm.clone(),
            role: self.role,
            started_ns: self.started_ns,
            exited_ns: self.exited_ns,
            exit: self.exit,
            copied: counted.copied,
            reused_faults: counted.reused_faults,
            inherited_pages: self.inherited_pages,
            target: self.target,
        }
    }

    /// Takes in how many anonymous pages it has. At the first time, those that it has touched for the first
    /// time are taken off: it did not have them before.
    pub(in crate::collect) fn note_held(&mut self, pages: u64, touched: u64) {
        self.held_pages = Some(pages);
        self.held_before
            .get_or_insert(pages.saturating_sub(touched));
    }

    /// Takes in what it runs, if that could be read.
    pub(in crate::collect) fn take_command_line(&mut self, now: Option<String>) {
        if let Some(now) = now.filter(|now| self.command_line.as_deref() != Some(now)) {
            self.command_line = Some(now.into());
        }
    }

    /// What it runs, as it stands in a run.
    pub(in crate::collect) fn command_line(&self) -> Option<CommandLine> {
        Some(CommandLine {
            process_id: self.id,
            text: self.command_line.as_deref()?.to_owned(),
        })
    }

    /// What it had before, as it stands in a run.
    pub(in crate::collect) fn held_before(&self) -> Option<HeldBefore> {
        Some(HeldBefore {
            process_id: self.id,
            pages: self.held_before?,
        })
    }

    /// The region that an address lies in: of what it inherited, else of what it passes on.
    pub(in crate::collect) fn region_at(&self, address: u64) -> Option<u32> {
        [&self.inherited, &self.own]
            .into_iter()
            .flatten()
            .find_map(|layout| layout.region_at(address))
    }
}
