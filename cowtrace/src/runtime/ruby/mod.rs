//! Ruby (MRI): which object of its collected heap a write hit, and the object's class. Neither symbols nor a table of
//! versions is needed: the heap's pages describe themselves, and each step is checked.

mod classes;
mod heap;

use crate::{memory, native::ProgramCode};
use classes::Classes;
use heap::{Heap, Object, Tag};

/// How the files of Ruby are called; a version may follow.
const FILES: [&str; 2] = ["libruby", "ruby"];
/// Some hooks know only the page: so such an address may be any in it.
const PAGE: u64 = 4096;

/// Ruby in a program, with its heap's pages and classes seen so far.
pub(crate) struct Ruby {
    heap: Heap,
    classes: Classes,
}

/// A write to a slot of the heap.
pub(crate) struct RubyWrite {
    /// For [`Ruby::name`].
    pub(crate) what: u64,
    /// Whether it hit the object's flags. Some of them look like addresses.
    pub(crate) is_header: bool,
}

/// Bytes of an object's flags, with which it begins.
const HEADER_BYTES: u64 = 8;

/// What a write hit, as a number that is stable while the program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// An object, by the address of its class.
    OfClass(u64),
    /// Something else in the heap, or an object whose class has no name.
    OfTag(Tag),
}

impl Ruby {
    /// Ruby in a program with this code; none if none of its files is Ruby's.
    pub(crate) fn find(code: &ProgramCode) -> Option<Self> {
        let mut files = code.mapped_files();
        files
            .any(|(mapping, _)| is_rubys(&mapping.name))
            .then(|| Self {
                heap: Heap::default(),
                classes: Classes::default(),
            })
    }

    /// What is at an address that was written, for [`Self::name`]; none if that is no slot of the heap. `pids` are
    /// processes that have the memory, first the one that had it before.
    pub(crate) fn classify(
        &mut self,
        address: u64,
        mut pids: impl Iterator<Item = u32>,
    ) -> Option<RubyWrite> {
        if address.is_multiple_of(PAGE) {
            return None;
        }
        pids.find_map(|pid| {
            let read = |at: u64, to: &mut [u8]| memory::read_target(pid, at, to);
            let object = self.heap.object_at(address, &read)?;
            Some(RubyWrite {
                what: self.subject(object, &read)?.number(),
                is_header: address - object.address < HEADER_BYTES,
            })
        })
    }

    fn subject(
        &mut self,
        object: Object,
        read: &impl Fn(u64, &mut [u8]) -> bool,
    ) -> Option<Subject> {
        let tag = object.tag()?;
        let is_named = tag.has_class() && self.classes.learn(object.class, &mut self.heap, read);
        Some(if is_named {
            Subject::OfClass(object.class)
        } else {
            Subject::OfTag(tag)
        })
    }

    /// What was written, in words.
    pub(crate) fn name(&self, number: u64) -> Option<String> {
        match Subject::of(number)? {
            Subject::OfClass(address) => self.classes.name(address).map(Into::into),
            Subject::OfTag(tag) => Some(tag.name().into()),
        }
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

/// `libruby-3.1.so.3.1.2`, `/usr/bin/ruby3.1`, `ruby`: the name, then a version or an ending.
fn is_rubys(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with('/')
        && FILES.iter().any(|file| {
            name.strip_prefix(file).is_some_and(|rest| {
                !rest.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruby_is_known_by_its_files() {
        for path in [
            "/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2",
            "/opt/ruby/lib/libruby.so.3.4 (deleted)",
            "/usr/bin/ruby3.1",
            "/usr/local/bin/ruby",
        ] {
            assert!(is_rubys(path), "{path}");
        }
        for path in [
            "/usr/lib/libruby_helper.so",
            "/usr/bin/rubyfmt",
            "ruby",
            "[heap]",
            "/usr/bin/jruby",
        ] {
            assert!(!is_rubys(path), "{path}");
        }
    }

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
