//! Which variables hold what was copied, for people.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::walks;
use crate::{
    run::{AlsoHeld, HeapWalk, Holder, Run},
    terminal::{Grid, Style, indented, section, wrap},
    words::{owner_of, percent, printable, shorten, size, type_and_entries},
};

const MOST_HOLDERS: usize = 8;
/// A variable with at least this share of all copies is named in the answer.
const ANSWER_SHARE: f64 = 0.1;
const MOST_IN_ANSWER: usize = 3;
/// Longer paths in the answer are cut.
const MAX_NAME: usize = 60;
const MOST_TYPES: usize = 3;
/// Another variable with at least this share of a holder's pages stands beside it.
const SHARED: f64 = 0.2;
/// One with less than this is not told.
const ALSO: f64 = 0.01;
/// Types below this share are not told.
const TYPE_SHARE: f64 = 0.01;
const NOT_KNOWN: &str = "HELD BY: NOT KNOWN";
/// A name that would get fewer columns stands in a line of its own.
const LEAST_NAME: usize = 14;

/// Pages of a run by whether a variable holds them.
#[derive(Default)]
pub(super) struct Held {
    /// All that were copied.
    pub(super) all: u64,
    /// Those that were found.
    pub(super) found: u64,
    /// Those that were not, though everything was looked through.
    unreachable: u64,
    /// Those that were not, in memory that was looked through only in part.
    cut_short: u64,
    /// Those that were not, in memory that has been replaced since.
    replaced: u64,
}

impl Held {
    /// None if no variables were looked for.
    pub(super) fn of(run: &Run) -> Option<Self> {
        let asked: u64 = run
            .who_holds
            .heap_walks
            .iter()
            .map(|walk| walk.asked_pages)
            .sum();
        let mut held = Self {
            all: run.copied().total().max(asked),
            ..Self::default()
        };
        for walk in &run.who_holds.heap_walks {
            held.found += walk.held_pages;
            let missing = walk.asked_pages.saturating_sub(walk.held_pages);
            match walk {
                // Nobody was looked through.
                HeapWalk {
                    failure: Some(_), ..
                } => {}
                HeapWalk {
                    is_partial: true, ..
                } => held.cut_short += missing,
                HeapWalk {
                    has_changed: true, ..
                } => held.replaced += missing,
                _ => held.unreachable += missing,
            }
        }
        (asked > 0).then_some(held)
    }

    /// Whether a variable may hold more than was found: some of it was looked through in part, or not
    /// at all after a walk that was made before the end.
    fn is_lower_bound(&self, run: &Run) -> bool {
        let is_early = run
            .who_holds
            .heap_walks
            .iter()
            .any(|walk| walk.at_ns.is_some());
        let is_partial = run.who_holds.heap_walks.iter().any(|walk| walk.is_partial);
        is_partial || (is_early && self.all > self.looked_for())
    }

    fn looked_for(&self) -> u64 {
        self.found + self.unreachable + self.cut_short + self.replaced
    }

    /// Pages without a variable, by why they have none.
    fn missing(&self) -> [(u64, &'static str); 4] {
        let looked_for = self.looked_for();
        [
            (self.unreachable, "(not reachable from any variable)"),
            (self.cut_short, "(not found: looked through only in part)"),
            (self.replaced, "(not found: its memory was replaced)"),
            (self.all.saturating_sub(looked_for), "(not looked for)"),
        ]
    }

    /// A part of all copies.
    pub(super) fn share(&self, pages: u64) -> f64 {
        pages as f64 / self.all as f64
    }
}

/// Which variables hold most of what was copied, in a sentence for the answer; none if none stands
/// out.
pub(super) fn in_short(run: &Run) -> Option<String> {
    let held = Held::of(run)?;
    let leading = run
        .who_holds
        .holders
        .iter()
        .filter(|holder| held.share(holder.copied_pages) >= ANSWER_SHARE)
        .take(MOST_IN_ANSWER);
    let parts: Vec<String> = leading
        .enumerate()
        .map(|(index, holder)| {
            let share = percent(held.share(holder.copied_pages));
            let verb = if index == 0 { "is held by" } else { "by" };
            let or = beside(holder)
                .next()
                .map_or_else(String::new, |other| format!(" or {}", name(&other.path)));
            let what = holder
                .type_name
                .as_ref()
                .map_or_else(String::new, |_| format!(", {}", type_and_entries(holder)));
            let owner = owner(run, holder);
            format!("{share} {verb} {}{owner}{or}{what}", name(&holder.path))
        })
        .collect();
    let least = if held.is_lower_bound(run) {
        "at least "
    } else {
        ""
    };
    (!parts.is_empty()).then(|| format!("Of what was copied {least}{}.", parts.join("; ")))
}

/// ` of python3 (4242)`: whose variable it is, where another process has one of the same path.
fn owner(run: &Run, holder: &Holder) -> String {
    let is_alike = |it: &Holder| it.path == holder.path && it.process_id != holder.process_id;
    if run.who_holds.holders.iter().any(is_alike) {
        format!(" of {}", owner_of(run, holder))
    } else {
        String::new()
    }
}

/// Whether the variables are of several processes.
pub(super) fn are_of_several(run: &Run) -> bool {
    let first = run
        .who_holds
        .holders
        .first()
        .map(|holder| holder.process_id);
    run.who_holds
        .holders
        .iter()
        .any(|it| Some(it.process_id) != first)
}

fn name(path: &str) -> String {
    shorten(&printable(path), MAX_NAME)
}

/// Writes the section; nothing if no variables were looked for.
pub(super) fn holders(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(held) = Held::of(run) else {
        let Some(why) = walks::not_come_to(run) else {
            return Ok(());
        };
        section(NOT_KNOWN, style, out)?;
        return indented(why, style, out);
    };
    if held.found == 0 {
        section(NOT_KNOWN, style, out)?;
        return write_notes(run, style, out);
    }
    let title = format!(
        "HELD BY (variables that hold what was copied; found for {} of it)",
        percent(held.share(held.found))
    );
    section(&title, style, out)?;
    let mut table = Grid::new(&["copied", "share", "variable"], &[0, 1]);
    let figures = |pages: u64| [size(run.bytes(pages)), percent(held.share(pages))];
    let mut told = 0;
    for holder in run.who_holds.holders.iter().take(MOST_HOLDERS) {
        told += holder.copied_pages;
        table.add(figures(holder.copied_pages), |room| {
            lines(holder, &owner(run, holder), room).join("\n")
        });
    }
    let smaller = (held.found.saturating_sub(told), "(smaller variables)");
    for (pages, what) in std::iter::once(smaller).chain(held.missing()) {
        if pages > 0 {
            table.add(figures(pages), |room| shorten(what, room));
        }
    }
    writeln!(out, "{}", table.lines(style))?;
    write_notes(run, style, out)
}

/// A variable with those that hold the same, then what it is.
fn lines(holder: &Holder, owner: &str, width: usize) -> Vec<String> {
    let share = |pages: u64| part_of(holder, pages);
    let mut lines = around("", &holder.path, owner, width);
    for other in beside(holder) {
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
    for other in also(holder) {
        let part = percent(share(other.copied_pages));
        let before = format!("  {part} also held by ");
        lines.extend(around(&before, &other.path, "", width));
    }
    lines
}

/// A path between words, in one line or, where it would hardly be seen there, in two.
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

/// Others that hold so much of the same that they stand beside it.
pub(super) fn beside(holder: &Holder) -> impl Iterator<Item = &AlsoHeld> {
    let others = holder.also_held_by.iter();
    others.filter(|also| part_of(holder, also.copied_pages) > SHARED)
}

/// Others that hold less of the same, and are worth a word.
pub(super) fn also(holder: &Holder) -> impl Iterator<Item = &AlsoHeld> {
    let others = holder.also_held_by.iter();
    others.filter(|also| (ALSO..=SHARED).contains(&part_of(holder, also.copied_pages)))
}

/// A part of a variable's copies.
pub(super) fn part_of(holder: &Holder, pages: u64) -> f64 {
    pages as f64 / holder.copied_pages.max(1) as f64
}

/// Its type and size, and the types of what was copied in it.
fn what(holder: &Holder) -> String {
    let (text, types) = (type_and_entries(holder), types(holder));
    if types.is_empty() {
        text
    } else {
        format!("{text}; copied: {types}")
    }
}

/// `str 71 %, int 29 %`: the types of what was copied in it; nothing where they are known for less than
/// half of it, since the rest may be of other types.
pub(super) fn types(holder: &Holder) -> String {
    let share = |pages: u64| part_of(holder, pages);
    let known: u64 = holder.copied_types.iter().map(|of| of.copied_pages).sum();
    if known * 2 < holder.copied_pages {
        return String::new();
    }
    let types: Vec<String> = holder
        .copied_types
        .iter()
        .filter(|of| share(of.copied_pages) >= TYPE_SHARE)
        .take(MOST_TYPES)
        .map(|of| {
            let name = shorten(&printable(&of.type_name), 24);
            format!("{name} {}", percent(share(of.copied_pages)))
        })
        .collect();
    types.join(", ")
}

fn write_notes(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let notes = walks::notes(run);
    notes.iter().try_for_each(|note| indented(note, style, out))
}
