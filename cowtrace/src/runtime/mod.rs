//! Language runtimes that are looked into in a process's memory, a folder each: what was written
//! into, in which function of the language, and which variable holds it.

pub mod cpython;
