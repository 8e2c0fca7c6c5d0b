//! The hooks: each reads its arguments from one kernel interface and translates them into the terms of
//! [`crate::fault`] or [`crate::process`]. Hooks do not count.

pub mod function;
pub mod kprobe;
pub mod lifecycle;
pub mod tracepoint;
pub mod trampoline;
