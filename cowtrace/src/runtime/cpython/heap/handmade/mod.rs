//! A small handmade heap of CPython, for each supported version with a global interpreter lock: a
//! program's variables, and the interpreter's structures around them.

mod arrays;
mod interpreters;
mod objects;
mod program;
mod walked;

#[cfg(test)]
pub(crate) use objects::LIST;
pub(crate) use objects::{ALL, BYTES, Heap, START};
pub(crate) use walked::versions;
