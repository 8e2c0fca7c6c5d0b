//! What stands in front of the table: details of the selected row, and help.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::line::Line;
use crate::{
    live::{
        look::Look,
        state::{Front, State},
    },
    report::columns::Holds,
    terminal::wrap,
};

const HELP: [&str; 13] = [
    "q, Ctrl-C     leave; a trace ends with its report",
    "1 to 5, Tab   the tables",
    "j k, arrows   select a row; PgUp PgDn, g G",
    "s S           sort by the next or previous column; i the other way round",
    "/             show only rows that contain a text; Esc clears",
    "Enter         all about the selected row",
    "o             what the traced command prints",
    "Space, p      pause the screen; the trace counts all the same",
    "r             tables count from now on; again: all",
    "w             write a report for browsers now",
    "+ -           more or less time between two moments",
    "Ctrl-Z        stop cowtrace until fg",
    "?             this help",
];

/// Draws it into the place of the table.
pub(super) fn draw_front(state: &State, look: Look, area: Rect, buffer: &mut Buffer) {
    let lines = match state.front {
        Front::Table => Vec::new(),
        Front::Help => HELP.map(str::to_owned).to_vec(),
        Front::Details => details(state, area.width.into()),
        Front::Output => output(state, area.height.into()),
    };
    // The line of the titles is free.
    let first = area.y.saturating_sub(1);
    for (y, text) in (first..area.bottom()).zip(&lines) {
        let line = Line {
            x: area.x,
            y,
            width: area.width,
        };
        line.draw(&look.plain(text), Style::new(), buffer);
    }
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
fn output(state: &State, height: usize) -> Vec<String> {
    match &state.output {
        None => {
            vec!["cowtrace did not start what it traces: it prints where it always does".into()]
        }
        Some(lines) if lines.is_empty() => vec!["the command has printed nothing".into()],
        Some(lines) => lines[lines.len().saturating_sub(height)..].to_vec(),
    }
}
