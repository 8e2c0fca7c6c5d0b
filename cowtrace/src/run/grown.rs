//! What lives on the pages that a process did not have before: the objects there, and what holds them.

use serde::{Deserialize, Serialize};

/// What lives on the new pages of some processes at the end of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grown {
    /// In the order of processes, each at most once.
    pub heaps: Vec<GrownHeap>,
    /// In the order of processes, most bytes first.
    pub types: Vec<GrownType>,
    /// In the order of processes, most bytes first.
    pub variables: Vec<GrownVariable>,
}

/// What lives on the new pages of a process. Where only some of the pages were read, each figure is what they
/// have times the pages for each that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrownHeap {
    /// Which process.
    pub process_id: u32,
    /// Pages that it has and did not have when it was first traced, or that the process it inherited from lacks.
    pub new_pages: u64,
    /// Of these, pages that were read.
    pub read_pages: u64,
    /// Objects that live on them.
    pub objects: u64,
    /// Their bytes, with the tables that belong to them and are on new pages too.
    pub bytes: u64,
    /// Of the objects, those that no variable was found to hold.
    pub unheld_objects: u64,
    /// Their bytes.
    pub unheld_bytes: u64,
    /// Of the objects that no variable holds, those that only each other hold: reference cycles, with what only
    /// they hold; `None` if not all new pages were read.
    pub cyclic_objects: Option<u64>,
    /// Bytes of the new pages that variables hold, with the tables of objects that lie elsewhere.
    pub held_bytes: u64,
    /// Whether the garbage collector runs by itself; `None` if that is not known.
    pub collects: Option<bool>,
    /// Whether a limit ended the reading, so that objects which something holds may seem unheld.
    pub is_partial: bool,
    /// How long it took, ns.
    pub duration_ns: u64,
    /// Why nothing is known.
    pub failure: Option<String>,
}

/// The objects of a type that live on the new pages of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrownType {
    /// Which process.
    pub process_id: u32,
    /// Name, with its module. From outside.
    #[serde(rename = "type")]
    pub name: String,
    /// Whether its objects can be part of a reference cycle.
    pub is_container: bool,
    /// Objects.
    pub objects: u64,
    /// Their bytes, with their tables.
    pub bytes: u64,
    /// Of the objects, those that no variable was found to hold.
    pub unheld_objects: u64,
    /// Their bytes.
    pub unheld_bytes: u64,
}

/// A variable that holds some of what lives on the new pages of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrownVariable {
    /// Which process.
    pub process_id: u32,
    /// From a module or function on, in Python's syntax. From outside.
    pub path: String,
    /// Name of its type. From outside.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// Number of entries, for a container: all, not only new ones.
    pub entries: Option<u64>,
    /// Objects on the new pages that it holds.
    pub objects: u64,
    /// Bytes of the new pages that it holds.
    pub bytes: u64,
}

/// Entries of a container that is not called small.
const MANY_ENTRIES: u64 = 1_000;
/// Objects that no variable holds are few if they are at most 1/N of all, with this N.
const FEW: u64 = 10;

impl Grown {
    /// Whether a large container seems to hold nothing new while many objects seem to be held by nothing: its
    /// table was moved while it was read, as that of a list which grows.
    #[must_use]
    pub fn lacks_a_table(&self) -> bool {
        let is_empty = |variable: &GrownVariable| {
            variable.objects == 0 && variable.entries.unwrap_or(0) >= MANY_ENTRIES
        };
        let objects: u64 = self.heaps.iter().map(|heap| heap.objects).sum();
        let unheld: u64 = self.heaps.iter().map(|heap| heap.unheld_objects).sum();
        unheld > objects / FEW && self.variables.iter().any(is_empty)
    }

    /// Sets of which process everything is.
    pub fn set_process(&mut self, process_id: u32) {
        let heaps = self.heaps.iter_mut().map(|it| &mut it.process_id);
        let types = self.types.iter_mut().map(|it| &mut it.process_id);
        let variables = self.variables.iter_mut().map(|it| &mut it.process_id);
        heaps
            .chain(types)
            .chain(variables)
            .for_each(|id| *id = process_id);
    }

    /// Adds what was found in another process.
    pub fn join(&mut self, other: Self) {
        self.heaps.extend(other.heaps);
        self.types.extend(other.types);
        self.variables.extend(other.variables);
        self.heaps.sort_by_key(|it| it.process_id);
        self.types.sort_by_key(|it| it.process_id);
        self.variables.sort_by_key(|it| it.process_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_container_that_holds_nothing_new_was_moved_if_much_seems_unheld() {
        let found = |unheld_objects, entries, objects| Grown {
            heaps: vec![GrownHeap {
                objects: 10_000,
                unheld_objects,
                ..GrownHeap::default()
            }],
            variables: vec![GrownVariable {
                entries: Some(entries),
                objects,
                ..GrownVariable::default()
            }],
            ..Grown::default()
        };
        assert!(found(5_700, 414_000, 0).lacks_a_table());
        assert!(!found(5_700, 414_000, 4_000).lacks_a_table());
        assert!(!found(5_700, 12, 0).lacks_a_table());
        assert!(!found(100, 414_000, 0).lacks_a_table());
    }
}
