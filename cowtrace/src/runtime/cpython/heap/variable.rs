//! A variable of a program, and what was copied of what it holds.

/// A variable, and what was copied of what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// From a module or function on, as Python would write it. From outside: any character.
    pub path: String,
    /// Name of its type. From outside.
    pub type_name: Option<String>,
    /// Entries, of a container.
    pub entries: Option<u64>,
    /// Copied pages whose written address is in what it holds.
    pub copied_pages: u64,
    /// Types of the copied objects, most pages first.
    pub types: Vec<(String, u64)>,
    /// Other variables that hold some of it too, with how many of these pages, most first.
    pub also_held_by: Vec<(String, u64)>,
}
