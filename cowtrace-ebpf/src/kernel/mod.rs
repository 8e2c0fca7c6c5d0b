//! Kernel structures. The user side takes their offsets from the running kernel's BTF and patches them
//! in at load. The only room that calculates with kernel addresses.

mod cast;
mod memory;
pub mod page_tables;
mod reading;
mod registers;
mod task;

pub use memory::{FAULT_REMOTE, FAULT_USER, KernelPage, VmFault, Vma};
pub use registers::{KernelEntry, SavedRegisters};
pub use task::{KernelTask, Mm};
