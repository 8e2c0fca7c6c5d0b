//! Loads, attaches and drains the kernel side. The only room that uses aya.
//!
//! A backend is a way to see write faults. Each decides whether it can run on this kernel, and says why
//! not. All feed the same tables, so that the rest of the program does not depend on the backend.

mod attached;
mod backend;
mod btf;
mod cast;
mod choice;
mod counts;
mod direct_map;
mod drain;
mod error;
mod evidence;
mod explain;
mod functions;
mod kernel;
mod kprobe;
mod lifecycle;
mod load;
mod natives;
mod offsets;
mod programs;
mod pythons;
mod rings;
mod shared;
mod tables;
mod tracepoint;
mod trampoline;
pub mod trial;
mod unseen;

pub use attached::{Probe, Skipped};
pub use backend::{Backend, Sampling, Settings, Walks};
pub use btf::{Btf, BtfError};
pub use choice::{all_backends, attach_backend};
pub use counts::{RangeCount, SlotState, Totals};
pub use error::{ProbeError, Rejected};
pub use kernel::{Kernel, may_use_tables};
pub use kprobe::Kprobe;
pub use lifecycle::Lifecycle;
pub use load::{EmbeddedObject, embedded_object};
pub use natives::Natives;
pub use pythons::Pythons;
pub use tables::Tables;
pub use tracepoint::Tracepoint;
pub use trampoline::Trampoline;
pub use unseen::Unseen;
