//! Asks for names of native functions: of new places while the trace runs, of the rest at its end.

use std::{collections::HashSet, mem};

use super::{Writers, place::CodePlace};
use crate::native::{Address, Chain, Names, Naming};

impl Writers {
    /// Takes in names that have come, and asks for those of new places. Call it often: it waits for nothing.
    pub fn learn_names(&mut self) {
        for code in self.early.take_answer() {
            if let Some(program) = self.programs.get(&code.program) {
                self.early.name_stack(code, program);
            }
        }
        let places = self.early.next_places();
        if !places.is_empty() {
            let naming = self.naming(places.iter().copied(), self.early.names());
            self.early.ask(places, naming);
        }
    }

    /// Names of all code that wrote or touched new memory, or called code that did: at the end.
    pub(super) fn ask_for_names(&mut self) -> Names {
        let known = mem::take(&mut self.early).finish();
        let places = self.sums.keys().map(|key| key.code);
        let places = places.chain(self.touches.keys().map(|key| key.code));
        let naming = self.naming(places, &known);
        naming.ask(&self.held, known)
    }

    /// A question for the names of these places and of the code that called them. Leaves out names that are known.
    fn naming(&self, places: impl Iterator<Item = CodePlace>, known: &Names) -> Naming {
        let mut naming = Naming::default();
        let mut seen = HashSet::new();
        for code in places {
            let Some(program) = self.programs.get(&code.program) else {
                continue;
            };
            let makers = program.makers(code.process);
            let mut want = |address: Address| {
                if known.of(address).is_none() {
                    naming.want(address, &program.code, &self.held, makers);
                }
            };
            want(code.address());
            let Some(number) = code.native_stack else {
                continue;
            };
            if seen.insert((code.program, code.process, number)) {
                let addresses = program.chain(number).into_iter().flat_map(Chain::addresses);
                addresses.for_each(|at| want(code.returning(at)));
            }
        }
        naming
    }
}
