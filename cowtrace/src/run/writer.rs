//! Who wrote: copies by what made the write.

use serde::{Deserialize, Serialize};

/// What kind of write it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteKind {
    /// The reference count of a CPython object.
    Refcount,
    /// The garbage collector's header in front of a CPython object.
    Gc,
    /// Anything else that the program wrote itself.
    Other,
    /// A system call wrote for the program.
    Kernel,
}

/// Copies by one writer, over all processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// What kind of write it was.
    pub kind: WriteKind,
    /// Name of the object's type, for reference counts and the collector's headers. From outside:
    /// may hold any character.
    pub type_name: Option<String>,
    /// The function that wrote, or that made the system call. From outside.
    pub function: Option<String>,
    /// File name of the program or library it is in. From outside.
    pub module: Option<String>,
    /// Number of the system call, for writes by the kernel.
    pub system_call: Option<u32>,
    /// Pages.
    pub copied_pages: u64,
}
