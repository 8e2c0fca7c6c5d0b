//! The table: only rows that are on the screen are put into words.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr as _;

use super::line::Line;
use crate::{
    live::{
        look::Look,
        rows::LiveRow,
        state::{Sort, State},
    },
    report::columns::{Cell, Holds},
    words::shorten,
};

/// Columns of a bar.
const BAR: usize = 8;
/// The least columns of the subject: figures make room for it.
const LEAST_SUBJECT: usize = 20;
/// Between two columns.
const GAP: usize = 2;
/// Columns that make room first, in this order; then the last ones.
const DISPENSABLE: [&str; 3] = ["reused", "given back", "new"];

/// The rows on the screen, in words.
struct Shown {
    /// Width and words of each column of figures that has room.
    columns: Vec<ShownColumn>,
    /// Columns that are left for the subject.
    subject_width: usize,
}

struct ShownColumn {
    title: &'static str,
    /// With the mark of what the table is sorted by.
    shown: String,
    is_right: bool,
    width: usize,
    words: Vec<String>,
}

impl Shown {
    fn of(state: &State, look: Look, rows: usize, width: usize) -> Self {
        let visible = visible_rows(state, rows);
        let sort = state.sort();
        let mut columns = Vec::new();
        for (place, (title, holds)) in state.rows.titles.iter().enumerate() {
            let words: Vec<String> = visible
                .iter()
                .map(|row| words_of_cell(row.figures.get(place), *holds, look))
                .collect();
            let shown = marked(title, sort, place, look);
            let widest = words.iter().map(|words| words.width()).max().unwrap_or(0);
            columns.push(ShownColumn {
                title,
                is_right: holds.is_right(),
                width: widest.max(shown.width()),
                shown,
                words,
            });
        }
        make_room(&mut columns, width);
        Self {
            subject_width: width.saturating_sub(width_of(&columns)),
            columns,
        }
    }
}

/// Leaves out columns until the subject has room.
fn make_room(columns: &mut Vec<ShownColumn>, width: usize) {
    for title in DISPENSABLE {
        if width_of(columns) + LEAST_SUBJECT > width {
            columns.retain(|column| column.title != title);
        }
    }
    while width_of(columns) + LEAST_SUBJECT > width {
        columns.pop();
    }
}

fn width_of(columns: &[ShownColumn]) -> usize {
    columns.iter().map(|column| column.width + GAP).sum()
}

fn visible_rows(state: &State, rows: usize) -> &[LiveRow] {
    let all = &state.rows.all;
    let first = state.top.min(all.len());
    &all[first..(first + rows).min(all.len())]
}

/// The column that a table is sorted by has a mark: down for the largest first, or from a to z.
fn marked(title: &str, sort: Sort, place: usize, look: Look) -> String {
    if sort.column != place {
        return title.to_owned();
    }
    let mark = match (sort.is_inverted, look.utf8) {
        (false, true) => '▾',
        (true, true) => '▴',
        (false, false) => 'v',
        (true, false) => '^',
    };
    format!("{title}{mark}")
}

fn words_of_cell(cell: Option<&Cell>, holds: Holds, look: Look) -> String {
    match (cell, holds) {
        (None, _) => String::new(),
        (Some(Cell::Part(part)), Holds::Bar) => look.bar(*part, BAR),
        (Some(cell), _) => look.plain(&holds.in_words(cell.clone())),
    }
}

fn padded(words: &str, width: usize, is_right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(words.width()));
    if is_right {
        format!("{space}{words}  ")
    } else {
        format!("{words}{space}  ")
    }
}

/// The table, with the titles of its columns in the first line.
pub(super) fn draw_table(state: &State, look: Look, area: Rect, buffer: &mut Buffer) {
    let titles = Line {
        x: area.x,
        y: area.y,
        width: area.width,
    };
    let area = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let shown = Shown::of(state, look, area.height.into(), area.width.into());
    draw_titles(&shown, state, look, titles, area.height, buffer);
    draw_rows(&shown, state, look, area, buffer);
}

fn draw_titles(
    shown: &Shown,
    state: &State,
    look: Look,
    line: Line,
    rows: u16,
    buffer: &mut Buffer,
) {
    let sort = state.sort();
    let mut text = String::new();
    for column in &shown.columns {
        text.push_str(&padded(&column.shown, column.width, column.is_right));
    }
    let place = state.rows.titles.len();
    text.push_str(&marked(&state.rows.subject, sort, place, look));
    let all = state.rows.all.len();
    if all > usize::from(rows) {
        let place = format!("  {} of {all}", state.at + 1);
        let room = usize::from(line.width).saturating_sub(text.width());
        if room > place.width() {
            text.push_str(&" ".repeat(room - place.width()));
            text.push_str(&place);
        }
    }
    line.draw(&text, Look::faint(), buffer);
}

fn draw_rows(shown: &Shown, state: &State, look: Look, area: Rect, buffer: &mut Buffer) {
    let line = |y: u16| Line {
        x: area.x,
        y: area.y + y,
        width: area.width,
    };
    let rows = visible_rows(state, area.height.into());
    if rows.is_empty() {
        let text = if state.filter.is_empty() {
            state.rows.why_none
        } else {
            "no row contains that"
        };
        line(0).draw(text, Look::faint(), buffer);
        return;
    }
    for (place, (y, row)) in (0..).zip(rows).enumerate() {
        let mut text = String::new();
        for column in &shown.columns {
            let words = column.words.get(place).map_or("", String::as_str);
            text.push_str(&padded(words, column.width, column.is_right));
        }
        text.push_str(&look.plain(&shorten(&row.subject, shown.subject_width)));
        let is_selected = state.top + place == state.at;
        let style = if is_selected {
            Look::chosen()
        } else {
            Style::new()
        };
        if is_selected {
            let space = usize::from(area.width).saturating_sub(text.width());
            text.push_str(&" ".repeat(space));
        }
        line(y).draw(&text, style, buffer);
    }
}
