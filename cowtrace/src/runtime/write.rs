//! What a runtime other than CPython gets to know about a write, and what it returns.

use cowtrace_common::evidence::{Evidence, HAS_VALUES};

use crate::{memory, run::Store};

/// A runtime other than CPython in a program, with what was learned of it so far.
pub(crate) trait Runtime {
    /// What a write hit; none if that is nothing of the runtime's.
    fn classify(&mut self, write: &ProgramWrite<'_>) -> Option<WrittenData>;

    /// The name of what was hit, such as a class.
    fn name(&self, what: u64) -> Option<String>;
}

/// A write by a program's own code, and where its memory can be read.
pub(crate) struct ProgramWrite<'a> {
    pub(crate) evidence: &'a Evidence,
    /// What its instruction did, as in any program.
    pub(crate) store: Option<Store>,
    /// Processes that the writer was forked from, the nearest first: they have what was there before.
    pub(crate) ancestors: &'a [u32],
    /// Processes that run the program, first the writer.
    pub(crate) pids: &'a [u32],
}

/// What a write hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenData {
    /// A number for [`Runtime::name`], not 0, that is stable while the program runs.
    pub(crate) what: u64,
    /// What was done.
    pub(crate) store: Option<Store>,
}

/// The memory that a write hit, as it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WrittenWord {
    /// The 8-byte word that the address is in.
    pub(super) word: u64,
    /// The one after it.
    pub(super) next: u64,
    /// The bits of the first one that change; none if it is not known which.
    pub(super) changed: u64,
}

impl ProgramWrite<'_> {
    pub(super) const fn address(&self) -> u64 {
        self.evidence.core.address
    }

    /// The 8-byte word that the address is in.
    pub(super) const fn word_address(&self) -> u64 {
        self.address() & !7
    }

    /// None if the kernel side did not send them.
    pub(super) fn values(&self) -> Option<WrittenWord> {
        let [word, next, changed] = self.evidence.context.words;
        (self.evidence.core.flags & HAS_VALUES != 0).then_some(WrittenWord {
            word,
            next,
            changed: changed << (8 * (self.address() & 7)),
        })
    }

    /// What is found in the memory of a process that has what was there before, or else of another one.
    pub(super) fn find_in_memory<T>(
        &self,
        mut find: impl FnMut(&ReadMemory<'_>) -> Option<T>,
    ) -> Option<T> {
        let pids = self.ancestors.iter().chain(self.pids);
        pids.copied()
            .find_map(|pid| find(&|at, to| memory::read_target(pid, at, to)))
    }
}

/// Fills bytes from an address of a process; false if they cannot be read.
pub(super) type ReadMemory<'a> = dyn Fn(u64, &mut [u8]) -> bool + 'a;

/// Words at an address of a process.
pub(super) fn read_words<const N: usize>(address: u64, read: &ReadMemory<'_>) -> Option<[u64; N]> {
    let mut bytes = [[0; 8]; N];
    (memory::PROCESS_ADDRESSES.contains(&address) && read(address, bytes.as_flattened_mut()))
        .then(|| bytes.map(u64::from_ne_bytes))
}

/// Whether a word is 0, or may be the address of something that begins at a word.
pub(super) fn is_link(word: u64) -> bool {
    word == 0 || is_address(word)
}

/// Whether a word may be the address of something that begins at a word.
pub(super) fn is_address(word: u64) -> bool {
    word.is_multiple_of(8) && memory::PROCESS_ADDRESSES.contains(&word)
}
