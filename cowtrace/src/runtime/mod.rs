//! Language runtimes whose data is understood in a process's memory, one module each: what was
//! written, in which function of the language, and which variable holds it.
//!
//! [`cpython`] tells most, and by its own ways. Others are a [`Runtime`]: they tell what a write hit.

pub mod cpython;
mod perl;
mod php;
mod r;
mod ruby;

use std::path::Path;

use cowtrace_common::evidence::{Evidence, HAS_VALUES};

use crate::{memory, native::ProgramCode, run::Store};

/// A runtime other than CPython in a program, with what was learned of it so far.
pub(crate) trait Runtime {
    /// What a write hit; none if that is nothing of the runtime's.
    fn classify(&mut self, write: &Write<'_>) -> Option<Written>;

    /// The name of what was hit, such as a class.
    fn name(&self, what: u64) -> Option<String>;
}

/// A write by a program's own code, and where its memory can be read.
pub(crate) struct Write<'a> {
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
pub(crate) struct Written {
    /// A number for [`Runtime::name`], not 0, that is stable while the program runs.
    pub(crate) what: u64,
    /// What was done.
    pub(crate) store: Option<Store>,
}

/// The memory that a write hit, as it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Values {
    /// The 8-byte word that the address is in.
    word: u64,
    /// The one after it.
    next: u64,
    /// The bits of the first one that change; none if it is not known which.
    changed: u64,
}

/// The runtime of a program with this code; none if it has none that is understood.
pub(crate) fn find(code: &ProgramCode, proc_root: &Path) -> Option<Box<dyn Runtime>> {
    let has = |files: &[&str]| {
        let mut mapped = code.mapped_files();
        mapped.any(|(mapping, _)| is_file_of(&mapping.name, files))
    };
    if has(&ruby::FILES) {
        return Some(Box::new(ruby::Ruby::new(proc_root)));
    }
    if has(&perl::FILES) {
        return Some(Box::new(perl::Perl));
    }
    if has(&php::FILES) {
        return Some(Box::<php::Php>::default());
    }
    has(&r::FILES).then(|| Box::new(r::R) as Box<dyn Runtime>)
}

impl Write<'_> {
    const fn address(&self) -> u64 {
        self.evidence.core.address
    }

    /// The 8-byte word that the address is in.
    const fn word_address(&self) -> u64 {
        self.address() & !7
    }

    /// None if the kernel side did not send them.
    fn values(&self) -> Option<Values> {
        let [word, next, changed] = self.evidence.context.words;
        (self.evidence.core.flags & HAS_VALUES != 0).then_some(Values {
            word,
            next,
            changed: changed << (8 * (self.address() & 7)),
        })
    }

    /// What is found in the memory of a process that has what was there before, or else of another one.
    fn find_in_memory<T>(&self, mut find: impl FnMut(&Read<'_>) -> Option<T>) -> Option<T> {
        let pids = self.ancestors.iter().chain(self.pids);
        pids.copied()
            .find_map(|pid| find(&|at, to| memory::read_target(pid, at, to)))
    }
}

/// Fills bytes from an address of a process; false if they cannot be read.
type Read<'a> = dyn Fn(u64, &mut [u8]) -> bool + 'a;

/// Words at an address of a process.
fn read_words<const N: usize>(address: u64, read: &Read<'_>) -> Option<[u64; N]> {
    let mut bytes = [[0; 8]; N];
    (memory::PROCESS_ADDRESSES.contains(&address) && read(address, bytes.as_flattened_mut()))
        .then(|| bytes.map(u64::from_ne_bytes))
}

/// Whether a word is 0, or may be the address of something that begins at a word.
fn is_link(word: u64) -> bool {
    word == 0 || is_address(word)
}

/// Whether a word may be the address of something that begins at a word.
fn is_address(word: u64) -> bool {
    word.is_multiple_of(8) && memory::PROCESS_ADDRESSES.contains(&word)
}

/// Whether a path is that of a program or library with one of these names: a version or an ending may follow, as in
/// `libruby-3.1.so.3.1.2`, `/usr/bin/ruby3.1` and `ruby`.
fn is_file_of(path: &str, names: &[&str]) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_version =
        |rest: &str| !rest.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    let is_one = |name: &&str| file.strip_prefix(*name).is_some_and(is_version);
    path.starts_with('/') && names.iter().any(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_known_by_their_files() {
        for (path, names) in [
            (
                "/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2",
                &ruby::FILES[..],
            ),
            ("/opt/ruby/lib/libruby.so.3.4 (deleted)", &ruby::FILES),
            ("/usr/bin/ruby3.1", &ruby::FILES),
            ("/usr/local/bin/ruby", &ruby::FILES),
            ("/usr/bin/perl", &perl::FILES),
            ("/usr/lib/x86_64-linux-gnu/libperl.so.5.36.0", &perl::FILES),
            ("/usr/bin/php8.2", &php::FILES),
            ("/usr/sbin/php-fpm8.2", &php::FILES),
            ("/usr/lib/apache2/modules/libphp8.2.so", &php::FILES),
            ("/usr/lib/R/lib/libR.so", &r::FILES),
        ] {
            assert!(is_file_of(path, names), "{path}");
        }
        for (path, names) in [
            ("/usr/lib/libruby_helper.so", &ruby::FILES[..]),
            ("/usr/bin/rubyfmt", &ruby::FILES),
            ("ruby", &ruby::FILES),
            ("[heap]", &ruby::FILES),
            ("/usr/bin/jruby", &ruby::FILES),
            ("/usr/bin/perldoc", &perl::FILES),
            ("/usr/lib/libReact.so", &r::FILES),
        ] {
            assert!(!is_file_of(path, names), "{path}");
        }
    }
}
