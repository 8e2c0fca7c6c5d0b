//! Who wrote, for people: into what, by which function, and what can be done about it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{advice::advice, native, perf_maps, python, sentences};
use crate::{
    run::{Run, WriteKind, Writer},
    terminal::{Grid, Style, indented, section},
    words::{Lines, function, percent, plural, printable, shorten, size, written},
};

const MOST_TARGETS: usize = 8;
const MOST_FUNCTIONS: usize = 6;
const MOST_LINES: usize = 8;
/// Writes by the kernel below this share are not told apart from a program's own.
const KERNEL_SHARE: f64 = 0.01;

/// Writes the section; nothing if no writer is known.
pub(super) fn writers(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told = |writers: &mut dyn Iterator<Item = &Writer>| -> u64 {
        writers.map(|writer| writer.copied_pages).sum()
    };
    let known = told(&mut run.who_wrote.writers.iter());
    if known == 0 {
        return Ok(());
    }
    let all = run.copied().total().max(known);
    let named = told(
        &mut run
            .who_wrote
            .writers
            .iter()
            .filter(|writer| is_named(writer)),
    );
    let title = title(named, known, all);
    section(&title, style, out)?;
    if tells_what_was_written(run, known) {
        let written = sums(&run.who_wrote.writers, |writer| written(run, writer));
        rows("written", &written, MOST_TARGETS, known, run, style, out)?;
        writeln!(out)?;
    }
    let functions = sums(&run.who_wrote.writers, function);
    rows("by", &functions, MOST_FUNCTIONS, known, run, style, out)?;
    native::stacks(run, known, style, out)?;
    let lines = Lines::of(run);
    if run
        .who_wrote
        .writers
        .iter()
        .any(|writer| writer.python_stack.is_some())
    {
        writeln!(out)?;
        let by_line = sums(&run.who_wrote.writers, |writer| lines.of_writer(writer));
        rows(
            "by Python line",
            &by_line,
            MOST_LINES,
            known,
            run,
            style,
            out,
        )?;
        if let Some(line) = python::note(run, known) {
            writeln!(out)?;
            indented(&line, style, out)?;
        }
    } else if run.who_wrote.writers.iter().any(is_pythons) {
        writeln!(out)?;
        indented(NO_LINES, style, out)?;
    }
    sentences::regions(run, &lines, style, out)?;
    for line in perf_maps::notes(run).into_iter().chain(advice(run)) {
        writeln!(out)?;
        indented(&line, style, out)?;
    }
    Ok(())
}

/// What the section is about: pages whose writer is named, those with evidence of who wrote, which the
/// shares of the tables are of, and all.
fn title(named: u64, known: u64, all: u64) -> String {
    let share = |pages: u64| percent(pages as f64 / all as f64);
    let shares = match known {
        _ if known == all => String::new(),
        _ if known == named => "; shares are of these".into(),
        _ => format!(
            "; shares are of the {} with a record of the write",
            share(known)
        ),
    };
    format!(
        "WHO WROTE (whoever writes a page first; known for {} of the copies{shares})",
        share(named)
    )
}

/// Of a program whose data is not understood, only that the kernel wrote for it is worth telling.
fn tells_what_was_written(run: &Run, known: u64) -> bool {
    let by_kernel = run
        .who_wrote
        .writers
        .iter()
        .filter(|it| it.kind == WriteKind::Kernel);
    let by_kernel: u64 = by_kernel.map(|writer| writer.copied_pages).sum();
    run.who_wrote.writers.iter().any(is_pythons) || by_kernel as f64 >= KERNEL_SHARE * known as f64
}

/// Why there are no lines.
const NO_LINES: &str = "Lines of Python are told for CPython 3.11 to 3.15 on x86-64, unless \
                        --no-frames is given.";

/// Whether the write is one of CPython's.
pub(super) fn is_pythons(writer: &Writer) -> bool {
    matches!(writer.kind, WriteKind::Refcount | WriteKind::Gc)
}

/// Whether more is known than that it happened.
pub(crate) fn is_named(writer: &Writer) -> bool {
    writer.function.is_some() || writer.kind != WriteKind::Other
}

/// Pages by a name, most first.
pub(super) fn sums<'a>(
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

fn rows(
    header: &str,
    sums: &[(String, u64)],
    most: usize,
    known: u64,
    run: &Run,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let header = ["copied", "share", header];
    let mut table = Grid::new(&header, &[0, 1]);
    let mut row = |name: &str, pages: u64| {
        let share = percent(pages as f64 / known as f64);
        let name = printable(name);
        table.add([size(run.bytes(pages)), share], move |room| {
            shorten(&name, room)
        });
    };
    for (name, pages) in sums.iter().take(most) {
        row(name, *pages);
    }
    let others = sums.get(most..).unwrap_or_default();
    if !others.is_empty() {
        let pages = others.iter().map(|(_, pages)| pages).sum();
        row(
            &format!("({})", plural(others.len() as u64, "other")),
            pages,
        );
    }
    writeln!(out, "{}", table.lines(style))
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
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            copied_pages: pages,
        }
    }

    #[test]
    fn the_title_says_what_shares_are_of() {
        assert!(title(90, 100, 100).ends_with("known for 90 % of the copies)"));
        assert!(title(81, 81, 100).ends_with("known for 81 % of the copies; shares are of these)"));
        assert!(title(70, 81, 100).ends_with("shares are of the 81 % with a record of the write)"));
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
}
