//! A small heap of CPython, made by hand for each version with a global interpreter lock that is
//! walked: a program's variables, and what the interpreter has around them.

mod objects;
mod program;
mod walked;

#[cfg(test)]
pub(crate) use objects::LIST;
pub(crate) use objects::{ALL, BYTES, Heap, START};
pub(crate) use walked::versions;
