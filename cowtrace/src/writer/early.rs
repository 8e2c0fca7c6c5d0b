//! Names of functions while the trace runs: asks for those of new places from time to time, some at once, and never
//! waits for the answer.

use std::time::{Duration, Instant};

use super::{native_stacks::NativeStacks, place::CodePlace, program::Program};
use crate::{
    native::{NamedFunction, Names, Naming, NamingUnderWay},
    run::{NativeFrame, Stack},
};

/// Until the first question: a trace that is short asks at its end only.
const FIRST: Duration = Duration::from_secs(1);
/// The naming process works for at most one part in this many of the time.
const SHARE: u32 = 20;
/// Most places in a question.
const MOST_AT_ONCE: usize = 2_048;
/// Most addresses whose names are kept: about 8 MiB. Others are named at the end.
const MOST_NAMES: usize = 32_768;

/// What has a name by now.
#[derive(Default)]
pub(super) struct EarlyNames {
    /// Places for whose names nobody was asked yet.
    waiting: Vec<CodePlace>,
    asked: Option<Question>,
    due: Option<Instant>,
    names: Names,
    stacks: NativeStacks,
}

/// A question under way.
struct Question {
    places: Vec<CodePlace>,
    naming: NamingUnderWay,
}

impl EarlyNames {
    /// Wants the name of a place.
    pub(super) fn want(&mut self, code: CodePlace) {
        self.waiting.push(code);
    }

    /// The function and the native stack of a place, as far as they have names.
    pub(super) fn name_of(&self, code: CodePlace) -> (Option<&NamedFunction>, Option<u32>) {
        (self.names.of(code.address()), self.stacks.known(code))
    }

    /// Frames and stacks of those that have names.
    pub(super) fn stacks(&self) -> (Vec<NativeFrame>, Vec<Stack>) {
        self.stacks.parts()
    }

    /// The names so far.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// Takes in the answer that has come; returns the places that it is about.
    pub(super) fn take_answer(&mut self) -> Vec<CodePlace> {
        let Some(question) = self.asked.take_if(|it| it.naming.is_done()) else {
            return Vec::new();
        };
        let (named, took) = question.naming.answer();
        log::debug!("named {} addresses in {took:?}", named.len());
        self.names.add(named);
        self.due = Instant::now().checked_add(took * (SHARE - 1));
        question.places
    }

    /// Names the native stack of a place. Call it when the answer has come for every function in the stack.
    pub(super) fn name_stack(&mut self, code: CodePlace, program: &Program) {
        self.stacks.of(code, program, &self.names);
    }

    /// The places of the next question, if it is time for one.
    pub(super) fn next_places(&mut self) -> Vec<CodePlace> {
        let now = Instant::now();
        let due = *self.due.get_or_insert(now + FIRST);
        let is_time = self.asked.is_none() && now >= due && self.names.len() < MOST_NAMES;
        if !is_time {
            return Vec::new();
        }
        let first = self.waiting.len().saturating_sub(MOST_AT_ONCE);
        self.waiting.split_off(first)
    }

    /// Asks for the names of places.
    pub(super) fn ask(&mut self, places: Vec<CodePlace>, naming: Naming) {
        match NamingUnderWay::begin(naming) {
            Ok(naming) => self.asked = Some(Question { places, naming }),
            Err(error) => {
                log::warn!("no thread for names of functions: {error}");
                self.due = Instant::now().checked_add(FIRST * SHARE);
            }
        }
    }

    /// What is known for good, once the question under way is answered.
    pub(super) fn finish(self) -> Names {
        let mut names = self.names;
        if let Some(question) = self.asked {
            names.add(question.naming.answer().0);
        }
        names.settled()
    }
}
