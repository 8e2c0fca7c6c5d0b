//! Ruby (MRI): which object of its collected heap a write hit, what the write was, and the object's class. Neither symbols nor a table of
//! versions is needed: the heap's pages describe themselves, and each step is checked.

mod beside;
mod classes;
mod heap;
mod writes;

use std::path::{Path, PathBuf};

use super::write::{ProgramWrite, ReadMemory, Runtime, WrittenData};
use crate::{memory, run::Store};
use classes::Classes;
use heap::{Heap, Object, Tag};

/// How the files of Ruby are called.
pub(super) const FILES: [&str; 2] = ["libruby", "ruby"];
/// Some hooks know only the page: so such an address may be any in it.
const PAGE: u64 = 4096;

/// Ruby in a program, with its heap's pages and classes seen so far.
pub(super) struct Ruby {
    proc_root: PathBuf,
    heap: Heap,
    classes: Classes,
    /// Whether the heap's pages were looked for in all of a process's memory.
    has_looked: bool,
}

/// What a write hit, as a number that is stable while the program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// An object, by the address of its class.
    OfClass(u64),
    /// Something else in the heap, or an object whose class has no name.
    OfTag(Tag),
}

impl Runtime for Ruby {
    fn classify(&mut self, write: &ProgramWrite<'_>) -> Option<WrittenData> {
        // Where values are known, the address is.
        if write.values().is_none() && write.address().is_multiple_of(PAGE) {
            return None;
        }
        self.look(write);
        write.find_in_memory(|read| {
            let Some(object) = self.heap.object_at(write.address(), read) else {
                return self.beside(write, read);
            };
            // As it was at the write.
            let object = object.with(write);
            Some(WrittenData {
                what: self.subject(object, read)?.number(),
                store: writes::store_of(&object, write),
            })
        })
    }

    fn name(&self, what: u64) -> Option<String> {
        match Subject::of(what)? {
            Subject::OfClass(address) => self.classes.name(address).map(Into::into),
            Subject::OfTag(tag) => Some(tag.name().into()),
        }
    }
}

impl Ruby {
    pub(super) fn new(proc_root: &Path) -> Self {
        Self {
            proc_root: proc_root.to_path_buf(),
            heap: Heap::default(),
            classes: Classes::default(),
            has_looked: false,
        }
    }

    /// Looks for the heap's pages once, in the process that has had them longest: the collector writes to their
    /// descriptions before it writes to any object.
    fn look(&mut self, write: &ProgramWrite<'_>) {
        if self.has_looked {
            return;
        }
        self.has_looked = true;
        let pids = write.ancestors.iter().rev().chain(write.pids);
        let page_bytes = memory::page_bytes();
        let has = |pid: &u32| {
            let present = memory::read_present(&self.proc_root, *pid, page_bytes)?;
            Some((*pid, present))
        };
        if let Some((pid, present)) = pids.clone().find_map(has) {
            let read = |at: u64, to: &mut [u8]| memory::read_target(pid, at, to);
            self.heap.look_through(&present, &read);
        }
    }

    /// A write to what the collector has beside the slots.
    fn beside(&self, write: &ProgramWrite<'_>, read: &ReadMemory<'_>) -> Option<WrittenData> {
        let written = |tag: u8, store: Option<Store>| WrittenData {
            what: Subject::OfTag(Tag(tag)).number(),
            store,
        };
        if self.heap.describes(write.address()) {
            return Some(written(Tag::DESCRIPTION, Some(Store::Marks)));
        }
        if beside::is_in_transient_heap(write, read) {
            return Some(written(
                Tag::TRANSIENT,
                beside::store_in_transient_heap(write),
            ));
        }
        beside::is_on_mark_stack(write, &self.heap, read)
            .then(|| written(Tag::MARK_STACK, Some(Store::Marks)))
    }

    fn subject(&mut self, object: Object, read: &ReadMemory<'_>) -> Option<Subject> {
        let tag = object.tag()?;
        let is_named = tag.has_class() && self.classes.learn(object.class, &mut self.heap, read);
        Some(if is_named {
            Subject::OfClass(object.class)
        } else {
            Subject::OfTag(tag)
        })
    }
}

impl Subject {
    /// Above every tag, below every address.
    const FIRST_ADDRESS: u64 = memory::PROCESS_ADDRESSES.start;

    fn number(self) -> u64 {
        match self {
            Self::OfClass(address) => address,
            // 0 stands for nothing.
            Self::OfTag(tag) => u64::from(tag.0) + 1,
        }
    }

    fn of(number: u64) -> Option<Self> {
        if number >= Self::FIRST_ADDRESS {
            return Some(Self::OfClass(number));
        }
        let tag = u8::try_from(number.checked_sub(1)?).ok()?;
        Some(Self::OfTag(Tag(tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_hit_is_the_same_in_both_directions() {
        for subject in [
            Subject::OfClass(0x7f00_0000_1000),
            Subject::OfTag(Tag(0)),
            Subject::OfTag(Tag(255)),
        ] {
            assert!(Subject::of(subject.number()) == Some(subject));
        }
        assert!(Subject::of(0).is_none() && Subject::of(300).is_none());
    }
}
