//! Kernel structures, read at offsets that the user side takes from the running kernel's BTF and
//! patches in at load. The only room that does pointer arithmetic on kernel addresses.

mod cast;
mod memory;
pub mod page_tables;
mod reading;
mod registers;
mod task;

pub use memory::{FAULT_REMOTE, FAULT_USER, KernelPage, VmFault, Vma};
pub use registers::{KernelEntry, SavedRegisters};
pub use task::{KernelTask, Mm};
