//! Reads a hook's arguments and says what they mean in [`crate::fault`]'s or
//! [`crate::process`]'s words. Each hook knows one kernel interface and nothing of counting.

pub mod function;
pub mod kprobe;
pub mod lifecycle;
pub mod tracepoint;
pub mod trampoline;
