//! What interpreters and extension modules keep in memory of their own, which is searched word by word once no variable
//! leads to anything more.

use super::{
    allocated::Allocation,
    allocation::allocation_at,
    objects::HeapObjects,
    parts::{PartShape, PartTable, Span},
    paths::{PathLabel, PathNode, ROOT},
    roots::RootInterpreter,
    stack::StackEntry,
    walk::Walk,
};

/// A state whose words may be addresses of objects: `bytes` of it belong to the node, and as many as `searched` are read.
fn words_of_state(start: u64, bytes: u64, searched: u64) -> PartTable {
    PartTable {
        start,
        bytes,
        span: Span {
            at: start,
            count: searched / 8,
            shape: PartShape::Loose,
            skip: 0,
        },
    }
}

impl HeapObjects<'_> {
    /// What an extension module keeps beside its dict: memory that its own code lays out.
    pub(super) fn module_state(&mut self, module: u64) -> Option<PartTable> {
        let state = self.member(module, self.offsets.module_state);
        let blocks = self.offsets.blocks;
        match allocation_at(&mut self.memory, blocks, state) {
            Allocation::Bytes(bytes) => Some(words_of_state(state, bytes, bytes)),
            Allocation::Inside | Allocation::Unknown => None,
        }
    }
}

impl Walk<'_> {
    /// Adds the states of the interpreters.
    pub(super) fn begin_interpreters(&mut self, interpreters: &[RootInterpreter]) {
        let bytes = self.objects.offsets.roots.interpreter_bytes;
        for interpreter in interpreters {
            let node = self
                .tree
                .add(ROOT, PathLabel::INTERPRETER, interpreter.state);
            self.tree.belongs_to(node, interpreter.id);
            if let Some(node) = node {
                let state = words_of_state(interpreter.state, 0, bytes);
                self.states.push((node, state));
            }
        }
    }

    /// Follows them.
    pub(super) fn follow_states(&mut self) {
        for (node, table) in std::mem::take(&mut self.states) {
            let PathNode { object, label, .. } = self.tree.nodes[node as usize];
            // Sums over all objects have what only the interpreter holds apart, found in another way.
            if self.tally.is_some() && label == PathLabel::INTERPRETER {
                continue;
            }
            let number = self.objects.at(object).map_or(0, |object| object.number);
            if self.own(&table, node, number) {
                self.descend(node, StackEntry::span(&table.span));
            }
        }
    }
}
