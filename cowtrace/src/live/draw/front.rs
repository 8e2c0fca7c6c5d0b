//! What stands in front of the table: details of the selected row, what a command prints, and help.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    widgets::{Clear, Widget as _},
};

use super::line::Line;
use crate::{
    live::{
        look::Look,
        state::{Front, State},
    },
    report::columns::Holds,
    terminal::wrap,
};

const HELP: [(&str, &str); 13] = [
    ("q, Ctrl-C", "leave; a trace ends with its report"),
    ("1 to 5, Tab", "the tables"),
    ("j k, arrows", "select a row; PgUp PgDn, g G"),
    (
        "s S",
        "sort by the next or previous column; i the other way round",
    ),
    ("/", "show only rows that contain a text; Esc clears"),
    ("Enter", "all about the selected row"),
    ("o", "what the traced command prints"),
    (
        "Space, p",
        "pause the screen; the trace counts all the same",
    ),
    ("r", "tables count from now on; again: all"),
    ("w", "write a report for browsers now"),
    ("+ -", "more or less time between two moments"),
    ("Ctrl-Z", "stop cowtrace until fg"),
    ("?", "this help"),
];
/// Columns of keys in the help.
const KEYS: usize = 14;

/// Its lines, and where they stand: in place of the table if there is room for them, else of all but the first and the
/// last lines of the screen.
pub(super) struct Texts {
    lines: Vec<String>,
    area: Rect,
}

impl Texts {
    pub(super) fn of(state: &State, table: Rect, all: Rect) -> Self {
        let lines = match state.front {
            Front::Table => Vec::new(),
            Front::Help => help(table.width.into()),
            Front::Details => details(state, table.width.into()),
            Front::Output => output(state, table.width.into()),
        };
        let fits = lines.len() <= usize::from(table.height);
        Self {
            lines,
            area: if fits { table } else { all },
        }
    }

    /// How far it can be scrolled.
    pub(super) fn most_scroll(&self) -> usize {
        let height = usize::from(self.area.height);
        // One line says where it is.
        match self.lines.len() {
            lines if lines <= height => 0,
            lines => lines + 1 - height,
        }
    }

    pub(super) fn draw(&self, state: &State, look: Look, buffer: &mut Buffer) {
        let area = self.area;
        let most = self.most_scroll();
        let first = match state.front {
            // Its newest line is the last.
            Front::Output => most.saturating_sub(state.scrolled),
            _ => state.scrolled.min(most),
        };
        let rows = usize::from(area.height) - usize::from(most > 0);
        let line = |y| Line {
            x: area.x,
            y,
            width: area.width,
        };
        Clear.render(area, buffer);
        for (y, text) in (area.y..).zip(self.lines.iter().skip(first).take(rows)) {
            line(y).draw(&look.plain(text), Style::new(), buffer);
        }
        if most > 0 {
            let (from, to, all) = (first + 1, first + rows, self.lines.len());
            let text = format!("lines {from} to {to} of {all}: j k, PgUp PgDn");
            line(area.bottom() - 1).draw(&text, Look::faint(), buffer);
        }
    }
}

fn help(width: usize) -> Vec<String> {
    let entry = |(keys, what): &(&str, &str)| {
        let lines = wrap(what, width.saturating_sub(KEYS).max(1)).into_iter();
        let keys = std::iter::once(*keys).chain(std::iter::repeat(""));
        let lines = keys.zip(lines);
        lines
            .map(|(keys, what)| format!("{keys:<KEYS$}{what}"))
            .collect::<Vec<_>>()
    };
    HELP.iter().flat_map(entry).collect()
}

/// All that is known of the selected row.
fn details(state: &State, width: usize) -> Vec<String> {
    let Some(row) = state.selected() else {
        return vec!["no row is selected".into()];
    };
    let mut lines = wrap(&row.subject, width);
    let figures = state.rows.titles.iter().zip(&row.figures);
    let figures = figures.filter(|((_, holds), _)| *holds != Holds::Bar);
    for ((title, holds), cell) in figures {
        let words = holds.in_words(cell.clone());
        if !words.is_empty() {
            lines.push(format!("  {title:<12}{words}"));
        }
    }
    lines
}

/// The last lines that the traced command printed.
fn output(state: &State, width: usize) -> Vec<String> {
    match &state.output {
        None => wrap(
            "cowtrace did not start what it traces: it prints where it always does",
            width,
        ),
        Some(lines) if lines.is_empty() => vec!["the command has printed nothing".into()],
        Some(lines) => lines.iter().flat_map(|line| wrap(line, width)).collect(),
    }
}
