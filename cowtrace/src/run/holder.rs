//! Which variable holds what was copied: copies by the variable of the master, or of another
//! process that passed its memory on, from which the written object can be reached.

use serde::{Deserialize, Serialize};

use super::free_memory::FreeMemory;

/// Which variables hold what was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoHolds {
    /// Variables, most pages first; empty if they were not looked for or cannot be known.
    #[serde(default)]
    pub holders: Vec<Holder>,
    /// How they were looked for, a process each.
    #[serde(default)]
    pub heap_walks: Vec<HeapWalk>,
}

/// A variable that holds copied objects. It need not be the way the code took to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process whose variable it is, by its serial number.
    pub process_id: u32,
    /// From a module or function on, as Python would write it. From outside: any character.
    pub path: String,
    /// Name of its type. From outside.
    pub type_name: Option<String>,
    /// Entries, of a container.
    pub entries: Option<u64>,
    /// Pages that were copied because of a write to something it holds.
    pub copied_pages: u64,
    /// Types of the objects that were written, most pages first; rare ones left out.
    pub copied_types: Vec<CopiedType>,
    /// Other variables that hold some of the same objects, most pages first.
    pub also_held_by: Vec<AlsoHeld>,
    /// What moving it out of the heap would save; `None` if that is not known.
    #[serde(default)]
    pub saving: Option<Saving>,
}

/// What moving a variable out of the heap would save: into an array, a file, or shared memory. An
/// estimate from what lies on the copied pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    /// Copied pages on which any object of it lies.
    pub pages_with: u64,
    /// Of these, pages with nothing else that the processes touch.
    pub pages_alone: u64,
    /// Copied pages that moving it alone saves, at most.
    pub saved_pages: u64,
    /// Copied pages that moving it together with all in [`Saving::shares_with`] saves, at most.
    pub saved_together_pages: u64,
    /// Whether only a sample of the copied pages was looked at.
    pub is_sampled: bool,
    /// Other variables that lie on many of the same pages, most pages first.
    pub shares_with: Vec<PageNeighbour>,
}

/// Another variable on the same pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageNeighbour {
    /// As [`Holder::path`].
    pub path: String,
    /// Copied pages on which objects of both lie.
    pub pages: u64,
}

/// Copies of objects of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedType {
    /// Name. From outside.
    pub type_name: String,
    /// Pages.
    pub copied_pages: u64,
}

/// Another variable that holds the same objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlsoHeld {
    /// As [`Holder::path`].
    pub path: String,
    /// Pages of the holder's, which this one holds too.
    pub copied_pages: u64,
}

/// How the variables of a process were looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapWalk {
    /// The process whose memory was copied, by its serial number.
    pub process_id: u32,
    /// The process that was read: the same, or one that still has that memory if it is gone.
    pub read_process_id: Option<u32>,
    /// Copied pages whose holder was looked for.
    pub asked_pages: u64,
    /// Of these, pages that a variable holds.
    pub held_pages: u64,
    /// Of [`HeapWalk::asked_pages`], pages attributed by another written address in the same page.
    pub by_page: u64,
    /// Of [`HeapWalk::asked_pages`], pages that were free memory of the process that passed them on; at
    /// most one entry for each allocator.
    #[serde(default)]
    pub free: Vec<FreeMemory>,
    /// Objects that were visited.
    pub objects: u64,
    /// Bytes of the process that were read.
    pub bytes_read: u64,
    /// Time it took, ns.
    pub duration_ns: u64,
    /// Whether it ended before everything was visited, or some of what it had found was gone before
    /// it could be named.
    pub is_partial: bool,
    /// Whether it is known which of the leading variables share what they hold.
    pub is_compared: bool,
    /// When, if it was while the trace went on, ns since its start: what was copied later
    /// goes by what was at its address then, or nearest to it in its page.
    #[serde(default)]
    pub at_ns: Option<u64>,
    /// Whether the process that was read had replaced much of this memory since it passed it on.
    #[serde(default)]
    pub has_changed: bool,
    /// Why the variables are not known, if they are not.
    pub failure: Option<String>,
    /// What keeping the collector from writing would save; `None` if that is not known.
    #[serde(default)]
    pub freeze: Option<FreezeSaving>,
    /// How far reading alone can take copies; `None` if that is not known.
    #[serde(default)]
    pub reading: Option<ReadingReach>,
}

/// How far reading alone can take copies: it writes reference counts, and so copies the pages on which one lies.
/// An estimate from what lies on some of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingReach {
    /// Pages of the process that was read, as far as it passes them on.
    pub pages: u64,
    /// Of these, pages on which a reference count lies.
    pub with_counts: u64,
}

/// What keeping CPython's garbage collector from writing headers would save, by `gc.freeze()` before the fork. An
/// estimate from what lies on the copied pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeSaving {
    /// Copied pages whose first write was to such a header.
    pub header_pages: u64,
    /// Of these, pages that would not have been copied otherwise.
    pub saved_pages: u64,
    /// Whether it may be less, because it is not known how much of the rest on these pages is read.
    pub is_bound: bool,
}
