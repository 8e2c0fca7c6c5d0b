//! A variable of a program, and the copies in the memory that it holds.

use crate::run::Saving;

/// A variable, and the copies in the memory that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// From a module or function on, in Python's syntax. From outside: any character.
    pub path: String,
    /// Name of its type. From outside.
    pub type_name: Option<String>,
    /// Number of entries, for a container.
    pub entries: Option<u64>,
    /// Copied pages whose written address is in memory that it holds.
    pub copied_pages: u64,
    /// Types of the copied objects, most pages first.
    pub types: Vec<(String, u64)>,
    /// Other variables that hold some of the same memory, with the number of these pages, most
    /// first.
    pub also_held_by: Vec<(String, u64)>,
    /// What moving it out of the heap would save; none if that is not known.
    pub saving: Option<Saving>,
}
