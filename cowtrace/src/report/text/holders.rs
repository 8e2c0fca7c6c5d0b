//! Which variables hold the copied memory.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::{
    extent::Extent,
    view::{View, in_lines},
};
use crate::{
    report::columns::{HOLDERS, HolderRow},
    run::{Holder, Run, Saving},
    terminal::{Style, indented, section, wrap},
    verdict::{
        FreePages, HeldPages, KnownPages, copied_types, equal_holders, lesser_holders,
        notes_on_walks, owner_among_alike, part_of, saving_in_words, why_not_looked_for,
    },
    words::{free_memory_of, percent, printable, shorten, type_and_entries},
};

const MOST_HOLDERS: usize = 8;
const NOT_KNOWN: &str = "HELD BY: NOT KNOWN";
/// What is known of no variable is in the short report from this share on.
const SHORT_SHARE: f64 = 0.05;
/// A name that would get fewer columns has a line of its own.
const LEAST_NAME: usize = 14;

/// Writes the section; nothing if variables were not looked up.
pub(super) fn write_holders(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(held) = HeldPages::of(run) else {
        let Some(why) = why_not_looked_for(run) else {
            return Ok(());
        };
        section(NOT_KNOWN, style, out)?;
        return indented(why, style, out);
    };
    if held.found + held.free == 0 {
        section(NOT_KNOWN, style, out)?;
        return write_notes(run, style, out);
    }
    section(&title(run, &held), style, out)?;
    let view = View::of(&HOLDERS);
    let mut table = view.grid();
    let mut told = 0;
    let holders = run.who_holds.holders.iter();
    let shares = holders.clone().map(|it| held.share(it.copied_pages));
    let most = extent.rows_with_much(MOST_HOLDERS, shares);
    let nameless = |(pages, what): (u64, &'static str)| {
        let figures = view.figures(&HolderRow::nameless(run, &held, pages));
        (figures, move |room: usize| in_lines(what, room))
    };
    let [first, last] = rows_of_free_memory(run);
    for (figures, name) in first.into_iter().map(nameless) {
        table.add(figures, name);
    }
    for holder in holders.take(most) {
        told += holder.copied_pages;
        let figures = view.figures(&HolderRow::of(run, &held, holder));
        table.add(figures, move |room| {
            lines_of_row(run, holder, extent, room).join("\n")
        });
    }
    let others = last.into_iter().chain(pages_without_name(&held, told));
    let is_told = |(pages, _): &(u64, _)| extent.is_full() || held.share(*pages) >= SHORT_SHARE;
    let others = others.filter(|row| row.0 > 0 && is_told(row));
    for (figures, name) in others.map(nameless) {
        table.add(figures, name);
    }
    writeln!(out, "{}", table.lines(style))?;
    if extent.is_full() {
        write_notes(run, style, out)
    } else {
        Ok(())
    }
}

fn title(run: &Run, held: &HeldPages) -> String {
    let known = percent(held.share(held.found + held.free));
    let estimate = KnownPages::of(run).estimate();
    match held.free {
        0 => format!(
            "HELD BY (variables that hold what was copied; found for {known} of it{estimate})"
        ),
        _ => format!(
            "HELD BY (variables that hold what was copied, or none; known for {known}{estimate})"
        ),
    }
}

/// Pages of free memory with its name: first those before all variables, then those behind them.
fn rows_of_free_memory(run: &Run) -> [Vec<(u64, &'static str)>; 2] {
    let leading = run.who_holds.holders.first();
    let leading = leading.map_or(0, |holder| holder.copied_pages);
    let free = FreePages::of(run).map(|free| free.by_allocator);
    let rows = free.into_iter().flatten();
    let rows = rows.map(|it| (it.copied_pages, free_memory_of(it.allocator)));
    let (first, last) = rows.partition(|(pages, _)| *pages > leading);
    [first, last]
}

/// Pages without a row: of smaller variables, and those whose variable is not known. `told` pages have a row.
fn pages_without_name(
    held: &HeldPages,
    told: u64,
) -> impl Iterator<Item = (u64, &'static str)> + use<> {
    let smaller = (held.found.saturating_sub(told), "(smaller variables)");
    std::iter::once(smaller).chain(held.missing())
}

fn lines_of_row(run: &Run, holder: &Holder, extent: Extent<'_>, width: usize) -> Vec<String> {
    let mut lines = lines_of_holder(holder, &owner_among_alike(run, holder), extent, width);
    lines.extend(lines_of_saving(run, holder, extent, width));
    lines
}

/// A variable, with those that hold the same memory, then its description.
fn lines_of_holder(holder: &Holder, owner: &str, extent: Extent<'_>, width: usize) -> Vec<String> {
    let share = |pages: u64| part_of(holder, pages);
    let mut lines = around("", &holder.path, owner, width);
    for other in equal_holders(holder).filter(|_| extent.is_full()) {
        let part = match share(other.copied_pages) {
            1.0.. => String::new(),
            part => format!(" ({} of it)", percent(part)),
        };
        lines.extend(around("or ", &other.path, &part, width));
    }
    lines.extend(
        wrap(&what(holder), width.saturating_sub(2))
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    let lesser = lesser_holders(holder).filter(|_| extent.is_full());
    for other in lesser {
        let part = percent(share(other.copied_pages));
        let before = format!("  {part} also held by ");
        lines.extend(around(&before, &other.path, "", width));
    }
    lines
}

/// What moving it saves. In the short report only of variables on the same pages as others: of the others, the card
/// has it.
fn lines_of_saving(run: &Run, holder: &Holder, extent: Extent<'_>, width: usize) -> Vec<String> {
    let is_told = |saving: &Saving| extent.is_full() || !saving.shares_with.is_empty();
    let words = holder.saving.as_ref().filter(|saving| is_told(saving));
    let words = words.and_then(|_| saving_in_words(run, holder));
    let lines = words.map(|words| wrap(&words, width.saturating_sub(2)));
    let lines = lines.unwrap_or_default().into_iter();
    lines.map(|line| format!("  {line}")).collect()
}

/// A path between words, in one line, or in two where it would be hard to see.
fn around(before: &str, path: &str, after: &str, width: usize) -> Vec<String> {
    let named = |before: &str, after: &str| {
        let room = width.saturating_sub(before.width() + after.width());
        format!("{before}{}{after}", shorten(&printable(path), room))
    };
    let is_seen = before.width() + LEAST_NAME + after.width() <= width;
    match after.trim_start() {
        _ if is_seen => vec![named(before, after)],
        "" => vec![before.trim_end().to_owned(), named("    ", "")],
        after => vec![named(before, ""), format!("  {after}")],
    }
}

/// Its type and size, and the types of the objects copied in it.
fn what(holder: &Holder) -> String {
    let (text, types) = (type_and_entries(holder), copied_types(holder));
    if types.is_empty() {
        text
    } else {
        format!("{text}; copied: {types}")
    }
}

fn write_notes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let notes = notes_on_walks(run);
    notes.iter().try_for_each(|note| indented(note, style, out))
}
