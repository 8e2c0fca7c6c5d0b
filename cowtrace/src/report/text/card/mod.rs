//! The first lines: what it is, and what its reader wants to know next, a line each. A line without evidence
//! is left out.

mod advice;
mod grown;
mod lives;
mod outlook;

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use advice::rows_of_advice;
use grown::rows_of_grown;
use lives::{row_of_loaded, rows_of_lives};
use outlook::rows_of_outlook;

use super::{
    extent::Extent,
    rows::{LabelledRow, RowFigures, lines_of_rows, text_row},
};
use crate::{
    terminal::{Style, heading, wrap},
    verdict::{
        Card, CardCause, CardPart, CardVariable, CauseIs, CopiesOnCard, LossOnCard, Room, RoomIs,
    },
    words::{
        about_percent, about_seconds, kind_of_write, percent, plural, printable,
        short_kind_of_write, shorten, size,
    },
};

/// Lines of the card, at the usual width.
const MOST_LINES: usize = 12;
/// Columns.
const USUAL_WIDTH: usize = 80;
/// A name that would get fewer columns is alone in its line.
const LEAST_NAME: usize = 14;
/// Between a variable and its type.
const GAP: usize = 2;
/// Copies that are an aside are described in detail from this share of the growth on, as a part is named in the
/// verdict.
const ASIDE_SHARE: f64 = 0.15;
/// Where all copies are more than this times those that are held, it is said which of them shares are of.
const MORE_IN_ALL: f64 = 1.05;
/// A variable with more than this part of the largest one's copies is nearly as large.
const NEARLY: f64 = 0.8;
/// A cause with this share of the copies is the only one that matters.
const ALONE: f64 = 0.9;
/// By how much copies are less important where the card says what grows.
const AFTER_GROWN: u8 = 5;
const STOPPED: &str =
    "it grew before it stopped: a full cache, objects made once, or freed memory that is kept";
const CHECK: &str = "change it, trace again, cowtrace diff";
/// A comparison of runs has copies alone.
const CHECK_GROWTH: &str = "change it, trace again: the first line says if it still grows";

/// Writes the card.
pub(super) fn write_card(
    card: &Card,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    heading(&card.headline, style, out)?;
    let more = match extent {
        Extent::Full => Vec::new(),
        Extent::Short(again) => more_in_words(again, style.width),
    };
    let taken = wrap(&card.headline, style.width).len() + more.len();
    // Narrow lines hold less.
    let most = MOST_LINES * USUAL_WIDTH / style.width.clamp(1, USUAL_WIDTH);
    let lines = lines_of_rows(
        rows_of_card(card),
        style.width,
        most.saturating_sub(taken + 1),
    );
    if !lines.is_empty() {
        writeln!(out)?;
    }
    for line in lines.iter().chain(&more) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// How to see more of it. Commands are not broken where they fit into a line of their own.
fn more_in_words(again: Option<&str>, width: usize) -> Vec<String> {
    let Some(again) = again else {
        return wrap("More: trace with --full, or with -f html > run.html", width);
    };
    let (whole, page) = (
        format!("{again} --full"),
        format!("{again} -f html > run.html"),
    );
    let both = format!("More: {whole} · {page}");
    let (first, second) = (format!("More: {whole}"), format!("      {page}"));
    if both.width() > width && first.width() <= width && second.width() <= width {
        vec![first, second]
    } else {
        wrap(&both, width)
    }
}

/// What a row of the card says, without a layout.
pub(in crate::report) struct CardRow {
    /// The question that it answers.
    pub(in crate::report) label: &'static str,
    pub(in crate::report) text: String,
    /// Its share, its size, or both; empty if it has none.
    pub(in crate::report) figures: String,
}

/// Room in which each row is one line.
const ALL_ROOM: usize = 400;

/// All rows of the card, for formats that lay them out themselves.
pub(in crate::report) fn rows_without_layout(card: &Card) -> Vec<CardRow> {
    rows_of_card(card)
        .iter()
        .map(|row| CardRow {
            label: row.label(),
            text: row.text_in(ALL_ROOM).join(" "),
            figures: row.figures_in_words(),
        })
        .collect()
}

fn rows_of_card(card: &Card) -> Vec<LabelledRow<'_>> {
    let mut rows = Vec::new();
    if let Some(killed) = &card.killed {
        rows.push(text_row("killed", 0, RowFigures::Nothing, killed.clone()));
    }
    if let Some(grown) = &card.grown {
        rows.extend(rows_of_grown(&grown.found, grown.is_nearly_all));
        if grown.has_stopped && !grown.found.parts.is_empty() {
            let text = if grown.is_used_again {
                let touched = size(grown.touched_bytes);
                format!("given back and touched again all the time: {touched} touched in all")
            } else {
                STOPPED.into()
            };
            rows.push(text_row("what", 3, RowFigures::Nothing, text));
        }
    }
    rows.extend(rows_of_new_memory(card));
    rows.extend(rows_of_lives(card));
    rows.extend(row_of_loaded(card));
    rows.extend(rows_beside(card));
    if let Some(advice) = card.grown.as_ref().and_then(|it| it.advice.as_ref()) {
        rows.extend(rows_of_advice(std::slice::from_ref(advice), CHECK_GROWTH));
    }
    let next = card.next.clone();
    rows.extend(next.map(|next| text_row("next", 3, RowFigures::Nothing, next)));
    let Some(copies) = &card.copies else {
        rows.extend(card.loss.map(row_of_loss));
        return rows;
    };
    let is_part = || copies.share_of_growth.is_none_or(|it| it >= ASIDE_SHARE);
    let in_detail = !copies.are_few && (!card.copies_are_aside || is_part());
    if card.copies_are_aside {
        rows.push(row_of_aside(copies));
    }
    if in_detail {
        rows.extend(rows_of_copies_in_detail(card, copies));
    }
    if let Some(new) = &card.new_beside {
        rows.push(text_row("also", 1, RowFigures::Nothing, new.clone()));
    }
    rows.extend(card.loss.map(row_of_loss));
    rows
}

/// Where new memory is, and that it has no bound.
fn rows_of_new_memory(card: &Card) -> Vec<LabelledRow<'_>> {
    let mut rows = Vec::new();
    if let Some((place, share)) = &card.grew_in {
        let text = format!("new memory grew in {}", printable(place));
        let figures = RowFigures::Words(about_percent(*share));
        // What it is says more than who touched it first.
        let rank = if card.grown.is_some() { 5 } else { 0 };
        rows.push(text_row("where", rank, figures, text));
    }
    if let Some(processes) = card
        .new_memory
        .as_ref()
        .and_then(|it| it.processes.as_ref())
    {
        let text = if card.grew_in.is_some() {
            processes.clone()
        } else {
            format!("new memory {processes}")
        };
        // What it is says more.
        let rank = if card.grown.is_some() { 2 } else { 0 };
        rows.push(text_row("where", rank, RowFigures::Nothing, text));
    }
    if card.is_unbounded {
        let text = no_bound(card.lasts);
        rows.push(text_row("how far", 0, RowFigures::Nothing, text));
    }
    rows
}

/// What was copied, how far that is, and what helps.
fn rows_of_copies_in_detail<'a>(card: &'a Card, copies: &'a CopiesOnCard) -> Vec<LabelledRow<'a>> {
    let mut rows = rows_of_copies(copies, card.copies_are_aside);
    let outlook = card.outlook.as_ref();
    rows.extend(outlook.into_iter().flat_map(|it| rows_of_outlook(it, card)));
    rows.extend(rows_of_advice(&card.advice, CHECK));
    // What grows comes first, where it is known.
    let by = match card.grown {
        Some(_) => AFTER_GROWN,
        None => u8::from(card.copies_are_aside),
    };
    rows.into_iter().map(|row| row.less_important(by)).collect()
}

fn no_bound(lasts: Option<(Room, u64)>) -> String {
    let until = lasts.map_or_else(String::new, |(room, ns)| {
        let room_in_words = match room.is {
            RoomIs::Limit => format!("{} left of its limit", size(room.bytes)),
            RoomIs::Available => format!("available {}", size(room.bytes)),
        };
        format!(
            "; at this rate the {room_in_words} last about {}",
            about_seconds(ns)
        )
    });
    format!("no bound is known for new memory{until}")
}

fn rows_beside(card: &Card) -> Vec<LabelledRow<'_>> {
    let row = |part: &CardPart| {
        let label = if part.is_main { "what" } else { "also" };
        let figures = part
            .bytes
            .map_or(RowFigures::Nothing, |bytes| RowFigures::Words(size(bytes)));
        text_row(label, 0, figures, part.what.clone())
    };
    card.beside.iter().map(row).collect()
}

fn row_of_aside(copies: &CopiesOnCard) -> LabelledRow<'_> {
    let share = copies.share_of_growth.map_or_else(String::new, |share| {
        format!(": {} of your processes' growth", percent(share))
    });
    let text = format!("{} copied on write{share}", size(copies.bytes));
    text_row("also", 0, RowFigures::Nothing, text)
}

fn rows_of_copies(copies: &CopiesOnCard, are_aside: bool) -> Vec<LabelledRow<'_>> {
    let label = |usual: &'static str| if are_aside { "also" } else { usual };
    let mut rows = rows_of_variables(&copies.variables, label("what"));
    let is_more = copies.in_all_bytes as f64 > copies.bytes as f64 * MORE_IN_ALL;
    if is_more && !rows.is_empty() {
        let (in_all, held) = (size(copies.in_all_bytes), size(copies.bytes));
        let text = format!("(shares of {in_all} copied in all; {held} of it held at the end)");
        rows.push(text_row(label("what"), 4, RowFigures::Nothing, text));
    }
    if let Some((place, share)) = &copies.place {
        let text = if are_aside {
            format!("by {place}")
        } else {
            place.clone()
        };
        let figures = RowFigures::Share(percent(*share));
        rows.push(text_row(label("where"), 0, figures, text));
    }
    rows.extend(rows_of_causes(&copies.causes, label("why")));
    rows
}

fn rows_of_variables<'a>(
    variables: &'a [CardVariable],
    label: &'static str,
) -> Vec<LabelledRow<'a>> {
    let what = |variable: &'a CardVariable| variable.what.as_deref().unwrap_or_default();
    let longest = |name: fn(&CardVariable) -> usize| variables.iter().map(name).max().unwrap_or(0);
    let names = longest(|variable| variable.path.width());
    let types = longest(|variable| variable.what.as_deref().map_or(0, UnicodeWidthStr::width));
    let row = |(rank, variable): (u8, &'a CardVariable)| {
        let share = percent(variable.share);
        let least = if variable.is_lower_bound { "≥" } else { "" };
        let figures = RowFigures::ShareAndSize(format!("{least}{share}"), size(variable.bytes));
        LabelledRow::new(label, rank, figures, move |room| {
            let beside = room.saturating_sub(types + GAP);
            if types == 0 || beside < LEAST_NAME {
                return vec![shorten(&variable.path, room)];
            }
            let name = shorten(&variable.path, beside);
            let fill = names.min(beside).saturating_sub(name.width()) + GAP;
            vec![format!("{name}{:fill$}{}", "", what(variable))]
        })
    };
    // A second one that is nearly as large as the first is half of the answer.
    let second = match variables {
        [first, second, ..] if second.share > first.share * NEARLY => 0,
        _ => 3,
    };
    [0, second, 7].into_iter().zip(variables).map(row).collect()
}

fn rows_of_causes<'a>(causes: &'a [CardCause], label: &'static str) -> Vec<LabelledRow<'a>> {
    let Some((first, others)) = causes.split_first() else {
        return Vec::new();
    };
    let share = |cause: &CardCause| RowFigures::Share(percent(cause.share));
    if first.share >= ALONE || others.is_empty() {
        let words = cause_in_words(first.is).to_owned();
        let row = text_row(label, 0, share(first), words);
        let types = (!first.written.is_empty()).then(|| {
            LabelledRow::new(label, 5, RowFigures::Nothing, |room| {
                with_types("", &first.written, room)
            })
        });
        return std::iter::once(row).chain(types).collect();
    }
    let row = |(rank, cause): (u8, &'a CardCause)| {
        LabelledRow::new(label, rank, share(cause), move |room| {
            with_types(short_cause(cause.is), &cause.written, room)
        })
    };
    [0, 2].into_iter().zip(causes).map(row).collect()
}

const fn cause_in_words(cause: CauseIs) -> &'static str {
    match cause {
        CauseIs::Write(kind) => kind_of_write(kind),
        CauseIs::Collects => "marks, ages and swept slots, which the garbage collector writes",
        CauseIs::Reads => "what reading an object writes: coderange, level of iteration",
        CauseIs::NewObjects => "new objects of the workers, which need memory anyway",
    }
}

/// The same in few words.
const fn short_cause(cause: CauseIs) -> &'static str {
    match cause {
        CauseIs::Write(kind) => short_kind_of_write(kind),
        CauseIs::Collects => "collecting (marks, ages, sweeps)",
        CauseIs::Reads => "reading (coderange, iteration)",
        CauseIs::NewObjects => "new objects, which need memory anyway",
    }
}

/// `reading objects: str 56 %, int 16 %`, with as many types as have room.
fn with_types(words: &str, types: &[(String, f64)], room: usize) -> Vec<String> {
    let mut text = words.to_owned();
    for (name, share) in types {
        let before = match (text.is_empty(), text == words) {
            (true, _) => "",
            (false, true) => ": ",
            (false, false) => ", ",
        };
        let next = format!("{before}{name} {}", percent(*share));
        if !text.is_empty() && text.width() + next.width() > room {
            break;
        }
        text.push_str(&next);
    }
    wrap(&text, room)
}

fn row_of_loss<'a>(loss: LossOnCard) -> LabelledRow<'a> {
    let what = if loss.totals_suffer {
        "totals may be too low"
    } else {
        "details of some copies, no totals"
    };
    let causes = plural(loss.causes as u64, "cause");
    let text = format!("{what}: {causes}, at the end");
    let rank = if loss.totals_suffer { 0 } else { 7 };
    text_row("lost", rank, RowFigures::Nothing, text)
}

#[cfg(test)]
mod tests;
