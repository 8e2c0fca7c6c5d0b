//! Who wrote, in sentences: one for the answer, one for each large region.

use super::writers::{pages, pages_by};
use crate::{
    run::{Region, Run, WriteKind, Writer},
    words::{Lines, NO_LINE, cause_of_write, percent, printable, region_name, shorten, written},
};

const MOST_REGIONS: usize = 3;
/// A line with a smaller share of a region's copies is not named.
const LINE_SHARE: f64 = 0.25;
/// Regions with a smaller share of the copies get no sentence of their own.
const REGION_SHARE: f64 = 0.05;
/// From this share on, the answer names a kind of write or a line.
const ANSWER_SHARE: f64 = 0.5;
const MOST_FUNCTIONS: usize = 3;
/// Functions with a smaller share are not named.
const FUNCTION_SHARE: f64 = 0.1;
/// Longer names of functions are cut.
const MAX_FUNCTION: usize = 72;

/// Who wrote, in a sentence for the answer; none if neither a kind of CPython's writes nor a
/// function stands out.
pub(crate) fn who_wrote_most(run: &Run) -> Option<String> {
    let known = pages(&run.who_wrote.writers);
    let of_kind = |kind: WriteKind| {
        let writers = run
            .who_wrote
            .writers
            .iter()
            .filter(move |writer| writer.kind == kind);
        share(pages(writers), known)
    };
    let kinds = [
        (
            of_kind(WriteKind::Refcount),
            "reference counting (reading an object is enough)",
        ),
        (
            of_kind(WriteKind::Gc),
            "the garbage collector, which writes a header of each object",
        ),
    ];
    let kind = kinds.into_iter().find(|(share, _)| *share >= ANSWER_SHARE);
    let Some((kind, words)) = kind else {
        let functions = functions(run, run.who_wrote.writers.iter(), known);
        let stands_out = functions.first()?.1 >= LINE_SHARE;
        let made = "of the copies were made by";
        return stands_out.then(|| format!("{}.", shares_of(made, &functions)));
    };
    let lines = Lines::of(run);
    let most = pages_by(&run.who_wrote.writers, |writer| lines.of_writer(writer))
        .into_iter()
        .find(|(name, _)| name != NO_LINE)
        .filter(|(_, pages)| share(*pages, known) >= ANSWER_SHARE)
        .map(|(name, pages)| format!("; {} are by {name}", percent(share(pages, known))))
        .unwrap_or_default();
    Some(format!(
        "{} of the copies come from {words}{most}.",
        percent(kind)
    ))
}

/// For each large region, who wrote most of it and what was written, one sentence each.
pub(crate) fn who_wrote_most_of_regions(run: &Run, lines: &Lines<'_>) -> Vec<String> {
    let known = pages(&run.who_wrote.writers);
    let is_large = |region: &&Region| share(region.copied_pages, known) >= REGION_SHARE;
    let large = run.regions_by_copies().into_iter().filter(is_large);
    large
        .take(MOST_REGIONS)
        .filter_map(|region| of_region(run, lines, region))
        .collect()
}

/// By the Python line with most copies, otherwise by functions; none if nothing stands out.
fn of_region(run: &Run, lines: &Lines<'_>, region: &Region) -> Option<String> {
    let there = || {
        let there = |writer: &&Writer| writer.region_id == Some(region.id);
        run.who_wrote.writers.iter().filter(there)
    };
    let all = pages(there());
    let name = region_name(run, region);
    let by_line = pages_by(there(), |writer| lines.of_writer(writer));
    let most = by_line
        .into_iter()
        .find(|(line, _)| line != NO_LINE)
        .filter(|(_, pages)| share(*pages, all) >= LINE_SHARE);
    let Some((line, pages)) = most else {
        let functions = functions(run, there(), all);
        return (!functions.is_empty()).then(|| format!("{name}: {}", shares_of("by", &functions)));
    };
    let of_line = there().filter(|writer| lines.of_writer(writer) == line);
    let into = pages_by(of_line, |writer| written(run, writer));
    let more = if into.len() > 1 { "mostly " } else { "" };
    Some(format!(
        "{name}: {} by {line}, {more}{}",
        percent(share(pages, all)),
        printable(&into.first()?.0)
    ))
}

/// The functions with most copies, and their shares; unknown functions are left out.
fn functions<'a>(
    run: &Run,
    writers: impl Iterator<Item = &'a Writer>,
    all: u64,
) -> Vec<(String, f64)> {
    let found = writers.filter(|writer| writer.function.is_some());
    pages_by(found, |it| cause_of_write(run, it))
        .into_iter()
        .map(|(name, pages)| (name, share(pages, all)))
        .take_while(|(_, share)| *share >= FUNCTION_SHARE)
        .take(MOST_FUNCTIONS)
        .collect()
}

/// `63 % by memcpy (libc.so.6), 18 % by createObject (redis-server)`.
fn shares_of(first: &str, functions: &[(String, f64)]) -> String {
    let words = std::iter::once(first).chain(std::iter::repeat("by"));
    let parts = functions.iter().zip(words).map(|((name, share), by)| {
        let name = shorten(&printable(name), MAX_FUNCTION);
        format!("{} {by} {name}", percent(*share))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    part as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::arbitrary;

    fn writer(function: Option<&str>, copied_pages: u64) -> Writer {
        Writer {
            kind: WriteKind::Other,
            type_name: None,
            function: function.map(Into::into),
            module: Some("redis-server".into()),
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            store: None,
            copied_pages,
        }
    }

    #[test]
    fn functions_are_told_with_their_shares_and_unknown_ones_are_not() {
        let writers = [
            writer(None, 50),
            writer(Some("dbOverwrite"), 40),
            writer(Some("read\u{1b}"), 10),
            writer(Some("rare"), 1),
        ];
        assert_eq!(
            shares_of(
                "were made by",
                &functions(&arbitrary::empty(), writers.iter(), 100)
            ),
            "40 % were made by dbOverwrite (redis-server), 10 % by read\\u{1b} (redis-server)"
        );
    }
}
