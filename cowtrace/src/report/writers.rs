//! Who wrote, for people: into what, by which function, and what can be done about it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    Style,
    answer::region_name,
    python::{Lines, NO_LINE},
    text::{section, table, trimmed},
    words::{percent, printable, shorten, size, wrap},
};
use crate::run::{Region, Run, WriteKind, Writer};

const MOST_TARGETS: usize = 8;
const MOST_FUNCTIONS: usize = 6;
const MOST_LINES: usize = 8;
const MOST_REGIONS: usize = 3;
/// A line with a smaller share of a region's copies is not named for it.
const LINE_SHARE: f64 = 0.25;
/// Regions with a smaller share of the copies are not told one by one.
const REGION_SHARE: f64 = 0.05;
/// Kinds of writes below this share get no advice.
const ADVICE_SHARE: f64 = 0.1;
/// Nor is there any while so little of what was inherited is copied.
const ADVICE_CEILING: f64 = 0.05;

/// Writes the section; nothing if no writer is known.
pub(super) fn writers(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told = |writers: &mut dyn Iterator<Item = &Writer>| -> u64 {
        writers.map(|writer| writer.copied_pages).sum()
    };
    let known = told(&mut run.writers.iter());
    if known == 0 {
        return Ok(());
    }
    let all = run.copied().total().max(known);
    let named = told(&mut run.writers.iter().filter(|writer| is_named(writer)));
    let title = format!(
        "WHO WROTE (whoever writes a page first; known for {} of the copies)",
        percent(named as f64 / all as f64)
    );
    section(&title, style, out)?;
    let written = sums(&run.writers, |writer| written(run, writer));
    rows("written", &written, MOST_TARGETS, known, run, style, out)?;
    writeln!(out)?;
    let functions = sums(&run.writers, function);
    rows("by", &functions, MOST_FUNCTIONS, known, run, style, out)?;
    if run
        .writers
        .iter()
        .any(|writer| writer.python_stack.is_some())
    {
        writeln!(out)?;
        let lines = Lines::of(run);
        let by_line = sums(&run.writers, |writer| lines.of_writer(writer));
        rows(
            "by Python line",
            &by_line,
            MOST_LINES,
            known,
            run,
            style,
            out,
        )?;
        regions(run, &lines, known, style, out)?;
    } else if run.writers.iter().any(is_pythons) {
        writeln!(out)?;
        for line in wrap(NO_LINES, style.width - 2) {
            writeln!(out, "  {line}")?;
        }
    }
    let matters =
        run.bytes(run.copied().total()) as f64 >= ADVICE_CEILING * run.ceiling_bytes() as f64;
    for line in advice(&run.writers, known).into_iter().filter(|_| matters) {
        writeln!(out)?;
        for line in wrap(line, style.width - 2) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

/// Why there are no lines.
const NO_LINES: &str = "Lines of Python are told for CPython 3.11 to 3.15 on x86-64, unless \
                        --no-frames is given.";

/// Whether the write is one of CPython's.
fn is_pythons(writer: &Writer) -> bool {
    matches!(writer.kind, WriteKind::Refcount | WriteKind::Gc)
}

/// A share from which on the answer names a kind of write, or a line.
const ANSWER_SHARE: f64 = 0.5;

/// Who wrote, in a sentence for the answer; none if no kind of CPython's writes stands out.
pub(super) fn in_short(run: &Run) -> Option<String> {
    let known: u64 = run.writers.iter().map(|writer| writer.copied_pages).sum();
    let share = |pages: u64| pages as f64 / known as f64;
    let of_kind = |kind: WriteKind| {
        let writers = run.writers.iter().filter(move |writer| writer.kind == kind);
        share(writers.map(|writer| writer.copied_pages).sum())
    };
    let kinds = [
        (
            of_kind(WriteKind::Refcount),
            "reference counts, which merely reading an object writes",
        ),
        (
            of_kind(WriteKind::Gc),
            "headers that the garbage collector writes",
        ),
    ];
    let (kind, words) = kinds
        .into_iter()
        .find(|(share, _)| *share >= ANSWER_SHARE)?;
    let lines = Lines::of(run);
    let most = sums(&run.writers, |writer| lines.of_writer(writer))
        .into_iter()
        .find(|(name, _)| name != NO_LINE)
        .filter(|(_, pages)| share(*pages) >= ANSWER_SHARE)
        .map(|(name, pages)| format!("; {} by {name}", percent(share(pages))))
        .unwrap_or_default();
    Some(format!(
        "Of the copies {} are of {words}{most}.",
        percent(kind)
    ))
}

/// Whether more is known than that it happened.
fn is_named(writer: &Writer) -> bool {
    writer.function.is_some() || writer.kind != WriteKind::Other
}

/// Pages by a name, most first.
fn sums<'a>(
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

/// For each large region, by which line most was written there, and into what.
fn regions(
    run: &Run,
    lines: &Lines<'_>,
    known: u64,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_large = |region: &&Region| region.copied_pages as f64 >= REGION_SHARE * known as f64;
    let mut first = true;
    for region in run
        .regions_by_copies()
        .into_iter()
        .filter(is_large)
        .take(MOST_REGIONS)
    {
        let of_region = || {
            let there = |writer: &&Writer| writer.region_id == Some(region.id);
            run.writers.iter().filter(there)
        };
        let all: u64 = of_region().map(|writer| writer.copied_pages).sum();
        let by_line = sums(of_region(), |writer| lines.of_writer(writer));
        let Some((line, pages)) = by_line.into_iter().find(|(line, _)| line != NO_LINE) else {
            continue;
        };
        if (pages as f64) < LINE_SHARE * all as f64 {
            continue;
        }
        let of_line = of_region().filter(|writer| lines.of_writer(writer) == line);
        let into = sums(of_line, |writer| written(run, writer));
        let Some((most, _)) = into.first() else {
            continue;
        };
        let more = if into.len() > 1 { "mostly " } else { "" };
        if std::mem::take(&mut first) {
            writeln!(out)?;
        }
        let share = percent(pages as f64 / all as f64);
        let text = format!(
            "{}: {share} by {line}, {more}{}",
            region_name(run, region),
            printable(most)
        );
        for (index, line) in wrap(&text, style.width - 4).iter().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            writeln!(out, "{indent}{line}")?;
        }
    }
    Ok(())
}

fn rows(
    header: &str,
    sums: &[(String, u64)],
    most: usize,
    known: u64,
    run: &Run,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = table(style, &["copied", "share", header], &[0, 1]);
    let mut row = |name: &str, pages: u64| {
        table.add_row([
            size(run.bytes(pages)),
            percent(pages as f64 / known as f64),
            shorten(&printable(name), style.width.saturating_sub(24)),
        ]);
    };
    for (name, pages) in sums.iter().take(most) {
        row(name, *pages);
    }
    let others = sums.get(most..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|(_, pages)| pages).sum();
        row(&format!("({} others)", others.len()), pages);
    }
    writeln!(out, "{}", trimmed(&table))
}

/// What was written into.
fn written(run: &Run, writer: &Writer) -> String {
    let name = match writer.type_name.as_deref() {
        Some("") => "a type without a name",
        Some(name) => name,
        None => "an unknown type",
    };
    match writer.kind {
        WriteKind::Refcount => format!("reference counts of {name}"),
        WriteKind::Gc => format!("gc headers of {name}"),
        WriteKind::Other => "other memory".into(),
        WriteKind::Kernel => match (run.system_call_of(writer), writer.system_call) {
            (Some(name), _) => format!("by the kernel, in {name}(2)"),
            (None, Some(number)) => format!("by the kernel, in system call {number}"),
            (None, None) => "by the kernel".into(),
        },
    }
}

fn function(writer: &Writer) -> String {
    let module = writer.module.as_deref().unwrap_or("unknown module");
    match &writer.function {
        Some(function) if function.starts_with(module) => function.clone(),
        Some(function) => format!("{function} ({module})"),
        None if writer.kind == WriteKind::Kernel => "(the kernel)".into(),
        None => format!("({module})"),
    }
}

/// What to do, a line each for the kinds that matter.
fn advice(writers: &[Writer], known: u64) -> Vec<&'static str> {
    let matters = |kind: WriteKind| {
        let of_kind = writers.iter().filter(|writer| writer.kind == kind);
        let pages: u64 = of_kind.map(|writer| writer.copied_pages).sum();
        pages as f64 / known as f64 >= ADVICE_SHARE
    };
    let mut lines = Vec::new();
    if matters(WriteKind::Refcount) {
        lines.push(
            "Reference counts are written by merely reading an object. gc.freeze() does not help \
             against them, and neither do the immortal objects of CPython 3.12: they are a few of \
             the interpreter's own. Data in arrays, memory-mapped files or shared memory stays \
             shared.",
        );
    }
    if matters(WriteKind::Gc) {
        lines.push(
            "The garbage collector writes a header in front of each object that it looks at: \
             gc.freeze() in the master, before it forks, keeps its collections from those. \
             Freeing such objects writes the headers of their neighbours too, with or without it.",
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(kind: WriteKind, type_name: Option<&str>, pages: u64) -> Writer {
        Writer {
            kind,
            type_name: type_name.map(Into::into),
            function: None,
            module: None,
            system_call: None,
            region_id: None,
            python_stack: None,
            copied_pages: pages,
        }
    }

    #[test]
    fn the_same_type_by_two_functions_is_one_row() {
        let mut other = writer(WriteKind::Refcount, Some("str"), 5);
        other.function = Some("f".into());
        let all = [other, writer(WriteKind::Refcount, Some("str"), 7)];
        let by_type = sums(&all, |writer| writer.type_name.clone().unwrap_or_default());
        assert_eq!(by_type, [("str".to_owned(), 12)]);
        assert_eq!(sums(&all, function).len(), 2);
    }

    #[test]
    fn advice_is_given_for_what_matters() {
        let refcount = writer(WriteKind::Refcount, Some("str"), 95);
        let gc = writer(WriteKind::Gc, Some("list"), 5);
        let lines = advice(&[refcount, gc], 100);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("gc.freeze() does not help"));
    }
}
