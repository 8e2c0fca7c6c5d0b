//! Whose writes are known, and how many pages each writer wrote.

use std::collections::BTreeMap;

use crate::{
    run::{Run, WriteKind, Writer},
    words::percent,
};

/// If the kernel, and instructions of which it is known what they did, wrote less than this share, what was written is
/// not told.
const USEFUL_SHARE: f64 = 0.01;

/// Above this, a share is said in percent: as "one in N", it would be rounded by too much.
const MOST_AS_ONE_IN: f64 = 0.2;

/// Pages, by what is known about their writers.
pub(crate) struct KnownPages {
    /// Pages whose writer has a name.
    pub(crate) named: u64,
    /// Pages with a record of the write.
    pub(crate) recorded: u64,
    /// All copied pages.
    pub(crate) all: u64,
    /// Where evidence was taken of some copies only.
    pub(crate) sample: Option<CopySample>,
}

/// How well writers are known by a sample of the copies.
pub(crate) struct CopySample {
    /// How far a share may be off, 19 times in 20, percentage points.
    pub(crate) error: u64,
    /// The share of the copies that was looked at; none in recordings of versions that did not count it.
    pub(crate) looked_at: Option<f64>,
}

impl KnownPages {
    pub(crate) fn of(run: &Run) -> Self {
        let writers = &run.who_wrote.writers;
        let recorded = pages(writers);
        Self {
            named: pages(writers.iter().filter(|writer| is_named(writer))),
            recorded,
            all: run.copied().total().max(recorded),
            sample: CopySample::of(run, recorded),
        }
    }

    /// That shares are estimates, and how good ones, if they are; to follow the share that is known.
    pub(crate) fn estimate(&self) -> String {
        let words = |sample: &CopySample| {
            let (of, error) = (sample.looked_at_in_words(), sample.error);
            format!(", from a sample{of}, ±{error} %")
        };
        self.sample.as_ref().map_or_else(String::new, words)
    }

    /// A share of all copies.
    pub(crate) fn share(&self, pages: u64) -> f64 {
        pages as f64 / self.all.max(1) as f64
    }
}

impl CopySample {
    /// `recorded` pages have a record of the write, be it one that stands for several.
    fn of(run: &Run, recorded: u64) -> Option<Self> {
        let (loss, of) = (&run.loss, recorded.max(1));
        let drawn = Some(loss.writers_drawn).filter(|drawn| *drawn > 0);
        let looked_at = drawn.map(|drawn| recorded.saturating_sub(loss.writers_sampled) + drawn);
        (loss.writers_sampled > 0).then(|| Self {
            error: (100 * loss.writers_error).div_ceil(of),
            looked_at: looked_at.map(|copies| copies as f64 / of as f64),
        })
    }

    /// ` of 1 copy in 16`, on average; ` of 80 % of them`.
    fn looked_at_in_words(&self) -> String {
        match self.looked_at {
            Some(share) if share > MOST_AS_ONE_IN => format!(" of {} of them", percent(share)),
            Some(share) => format!(" of 1 copy in {:.0}", 1.0 / share),
            None => String::new(),
        }
    }
}

/// Whether the write is one of CPython's.
pub(crate) fn is_pythons(writer: &Writer) -> bool {
    matches!(writer.kind, WriteKind::Refcount | WriteKind::Gc)
}

/// Whether more is known than that the write happened.
pub(crate) fn is_named(writer: &Writer) -> bool {
    writer.function.is_some() || writer.type_name.is_some() || writer.kind != WriteKind::Other
}

/// In a program without an interpreter, the only useful distinctions are what its instructions did, and that the kernel
/// wrote for it.
pub(crate) fn tells_what_was_written(run: &Run) -> bool {
    let writers = &run.who_wrote.writers;
    let is_useful = |it: &&Writer| it.kind == WriteKind::Kernel || it.store.is_some();
    let useful = pages(writers.iter().filter(is_useful));
    writers.iter().any(is_pythons) || useful as f64 >= USEFUL_SHARE * pages(writers) as f64
}

/// The writers' pages, added up.
pub(super) fn pages<'a>(writers: impl IntoIterator<Item = &'a Writer>) -> u64 {
    writers.into_iter().map(|writer| writer.copied_pages).sum()
}

/// Pages by name, most first.
pub(crate) fn pages_by<'a>(
    writers: impl IntoIterator<Item = &'a Writer>,
    name: impl Fn(&Writer) -> String,
) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for writer in writers {
        *sums.entry(name(writer)).or_default() += writer.copied_pages;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, pages)| std::cmp::Reverse(*pages));
    sums
}

/// Whether it is in a program or library of a runtime: the name of that, with a version behind it or not, and perhaps
/// `lib` before it.
pub(super) fn is_of_runtime(writer: &Writer, name: &str) -> bool {
    let module = writer.module.as_deref().unwrap_or_default();
    let rest = module.strip_prefix("lib").unwrap_or(module);
    rest.strip_prefix(name)
        .is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::arbitrary, words::function};

    fn writer(kind: WriteKind, type_name: Option<&str>, pages: u64) -> Writer {
        Writer {
            kind,
            type_name: type_name.map(Into::into),
            function: None,
            module: None,
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            store: None,
            copied_pages: pages,
        }
    }

    #[test]
    fn the_same_type_by_two_functions_is_one_row() {
        let mut other = writer(WriteKind::Refcount, Some("str"), 5);
        other.function = Some("f".into());
        let all = [other, writer(WriteKind::Refcount, Some("str"), 7)];
        let by_type = pages_by(&all, |writer| writer.type_name.clone().unwrap_or_default());
        assert_eq!(by_type, [("str".to_owned(), 12)]);
        let run = arbitrary::empty();
        assert_eq!(pages_by(&all, |it| function(&run, it)).len(), 2);
    }
}
