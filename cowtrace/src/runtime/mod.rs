//! Language runtimes whose data is understood in a process's memory, one folder each: what was
//! written, in which function of the language, and which variable holds it.

pub mod cpython;
pub(crate) mod ruby;
