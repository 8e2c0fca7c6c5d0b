//! Ruby: which copies its garbage collector makes, and what spares them.

use super::{advice_item::Advice, writers::pages};
use crate::{
    run::{Run, RuntimePart, Store, Writer},
    words::is_unnamed,
};

/// How the functions of Ruby's collector are called (`gc.c`).
const COLLECTOR: [&str; 4] = ["gc_", "rb_gc", "rgengc_", "garbage_collect"];
/// The first version with `Process.warmup`.
const WARMUP: (u32, u32) = (3, 3);

const WRITES: &str = "Ruby's garbage collector notes in an object how many collections it has survived, up to three, \
                      and puts new objects into the places of freed ones.";
const BY_WARMUP: &str = "Process.warmup makes all objects old and closes the gaps.";
/// 3.1, puma: collecting alone left 94 % of the copies, with compaction 64 %.
const BY_HAND: &str = "Four times GC.start makes all objects old, and GC.compact closes the gaps: without it the \
                       workers fill them, and nearly as much is copied.";
const UNKNOWN: &str = "Process.warmup (Ruby 3.3 and later), or four times GC.start and then GC.compact (before), makes \
                       all objects old and closes the gaps.";
const REST: &str = "After that, the collector still writes its marks, and new objects still go into inherited memory.";

const FREEZE: &str = "Iterating a hash writes a number into it, and the first time in each process copies its page. A \
                      frozen hash is not written to: freeze the hashes that workers only read.";
const ENCODINGS: &str = "Ruby notes in a string whether it is ASCII or valid in its encoding, the first time that is needed, \
                         as by length. If the master asks for it before the fork, workers need not write it.";
const CALLS: &str = "Ruby keeps what it finds out at a call in its compiled code, methods and classes. What ran before the \
                     fork has it already: a few requests in the master are enough.";

/// Which of Ruby's copies its collector made: known by what was written, or else by the function that wrote.
#[derive(Clone, Copy)]
pub(super) struct RubyCopies {
    /// Whether any are known by what they wrote.
    has_stores: bool,
}

impl RubyCopies {
    pub(super) fn of(run: &Run) -> Self {
        let mut writers = run.who_wrote.writers.iter();
        Self {
            has_stores: writers.any(|it| it.store.is_some_and(Store::is_rubys)),
        }
    }

    /// Whether it is a copy that old objects and a heap without gaps spare: by what was written, or else by the function.
    pub(super) fn are_of_age_or_gaps(self, run: &Run, writer: &Writer) -> bool {
        if self.has_stores {
            return matches!(
                writer.store,
                Some(Store::Age | Store::Swept | Store::Object)
            );
        }
        is_collector(run, writer)
    }

    /// Whether there is something left to spare: new objects alone go into gaps also where all was done.
    pub(super) fn shows_need(self, run: &Run, writer: &Writer) -> bool {
        self.are_of_age_or_gaps(run, writer) && writer.store != Some(Store::Object)
    }
}

/// What a worker writes when it reads objects, or runs code, for the first time: with the advice against it.
pub(super) fn on_first_use(
    run: &Run,
    share: impl Fn(Store) -> bool,
    saves: impl Fn(Store) -> u64,
) -> Vec<Advice> {
    let version = version(run);
    let is_warmed_up = version.is_some_and(|it| it >= WARMUP);
    // Before, frozen ones were written to as well.
    let spares_frozen = version.is_none_or(|it| it >= (3, 0));
    let all = [
        (
            Store::Iteration,
            "freezing hashes that are only read",
            FREEZE,
        ),
        (
            Store::Coderange,
            if is_warmed_up {
                "Process.warmup, or valid_encoding? of strings, before the fork"
            } else {
                "valid_encoding? of all strings, before the fork"
            },
            ENCODINGS,
        ),
        (Store::Cache, "running the code before the fork", CALLS),
    ];
    all.into_iter()
        .filter(|(store, _, _)| share(*store) && (*store != Store::Iteration || spares_frozen))
        .map(|(store, what, because)| Advice::helping(what, because, saves(store)))
        .collect()
}

/// Whether Ruby's collector or its allocator wrote, as far as functions tell.
pub(super) fn is_collector(run: &Run, writer: &Writer) -> bool {
    let (Some(function), Some(module)) = (&writer.function, &writer.module) else {
        return false;
    };
    if is_unnamed(function, module) {
        let unnamed = run.who_wrote.unnamed(function);
        return unnamed.is_some_and(|it| it.part == Some(RuntimePart::RubyCollector));
    }
    let begins = |beginning: &&str| function.starts_with(beginning);
    module.contains("ruby") && COLLECTOR.iter().any(begins)
}

/// Advice against the collector's copies. `saves_at_most_bytes` is what it copied.
pub(super) fn advice_on_collector(run: &Run, saves_at_most_bytes: u64) -> Advice {
    let (what, how) = match version(run) {
        Some(version) if version >= WARMUP => ("Process.warmup", BY_WARMUP),
        Some(_) => ("4 x GC.start, then GC.compact", BY_HAND),
        None => ("Process.warmup, or GC.compact", UNKNOWN),
    };
    let what = format!("{what}, before the fork");
    Advice::helping(&what, format!("{WRITES} {how} {REST}"), saves_at_most_bytes)
}

/// The version of the Ruby that copied most, by the name of its library.
fn version(run: &Run) -> Option<(u32, u32)> {
    let writers = run.who_wrote.writers.iter();
    let is_rubys = |it: &&Writer| {
        let is_in_ruby = it.module.as_ref().is_some_and(|it| it.contains("ruby"));
        is_in_ruby && it.store.is_some_and(Store::is_rubys) || is_collector(run, it)
    };
    let most = writers
        .filter(is_rubys)
        .max_by_key(|writer| pages([*writer]))?;
    version_in(most.module.as_deref()?)
}

/// `libruby-3.1.so.3.1.2`, `libruby.so.3.3`, `ruby3.4`: the first two numbers with a dot between them.
fn version_in(module: &str) -> Option<(u32, u32)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = module;
    loop {
        rest = &rest[rest.find(|letter: char| letter.is_ascii_digit())?..];
        let (major, after) = rest.split_at(digits(rest));
        if let Some(minor) = after.strip_prefix('.') {
            let minor = &minor[..digits(minor)];
            if let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) {
                return Some((major, minor));
            }
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Store, WhoWrote};

    fn run(module: &str) -> Run {
        let writer = |module: &str, copied_pages| Writer {
            copied_pages,
            ..Writer::native(module, "gc_sweep_page", Some(Store::Bits))
        };
        Run {
            who_wrote: WhoWrote {
                writers: vec![writer("libruby.so.2.7", 3), writer(module, 30)],
                ..WhoWrote::default()
            },
            ..Run::default()
        }
    }

    #[test]
    fn what_helps_goes_by_the_version() {
        for (module, what) in [
            (
                "libruby-3.1.so.3.1.2",
                "4 x GC.start, then GC.compact, before the fork",
            ),
            ("libruby-3.3.so.3.3.8", "Process.warmup, before the fork"),
            ("libruby.so.3.4", "Process.warmup, before the fork"),
            ("ruby4.0", "Process.warmup, before the fork"),
            ("ruby2.7", "4 x GC.start, then GC.compact, before the fork"),
            ("ruby", "Process.warmup, or GC.compact, before the fork"),
            ("libruby3", "Process.warmup, or GC.compact, before the fork"),
        ] {
            assert_eq!(advice_on_collector(&run(module), 1).what, what, "{module}");
        }
    }
}
