//! The last lines: a message, the filter while it is typed, or the keys.

use ratatui::{buffer::Buffer, style::Style};

use super::line::Line;
use crate::{
    foreign::printable,
    live::{
        look::Look,
        state::{Phase, State},
    },
    terminal::wrap,
    words::shorten,
};

/// Keys, as far as there is room; the last one always.
const KEYS: [&str; 7] = [
    "q end",
    "1-5 tables",
    "s sort",
    "/ filter",
    "Enter details",
    "Space pause",
    "w report",
];
const LAST_KEY: &str = "? help";
const ENDED: &str = "the trace has ended: q leaves";

/// The last lines of a screen.
pub(super) struct Foot {
    lines: Vec<String>,
    style: Style,
}

impl Foot {
    /// At least one line, and at most `most`.
    pub(super) fn of(state: &State, look: Look, width: usize, most: usize) -> Self {
        if state.is_typing {
            return Self::strong(&[format!("filter: {}_", printable(&state.filter))], look);
        }
        let ended = (state.phase == Phase::Ended).then(|| ENDED.to_owned());
        let message = state.message.as_deref().map(str::trim_end);
        let parts = ended.into_iter().chain(message.map(printable));
        let text = parts.collect::<Vec<String>>().join("  ");
        if !text.is_empty() {
            return Self::strong(&whole(&text, width, most), look);
        }
        if !state.filter.is_empty() {
            let text = format!("filter: {}  (Esc clears)", printable(&state.filter));
            return Self::strong(&[text], look);
        }
        Self {
            lines: vec![keys(width)],
            style: Look::faint(),
        }
    }

    fn strong(lines: &[String], look: Look) -> Self {
        Self {
            lines: lines.iter().map(|it| look.plain(it)).collect(),
            style: Look::strong(),
        }
    }

    /// How many lines it has.
    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(u16::MAX)
    }

    /// Draws it from this line on.
    pub(super) fn draw(&self, first: Line, buffer: &mut Buffer) {
        for (y, text) in (first.y..).zip(&self.lines) {
            Line { y, ..first }.draw(text, self.style, buffer);
        }
    }
}

/// A text in lines. If it needs more than `most` of them it breaks anywhere, and is shorter in its middle if even that
/// does not do: both ends of a path stay.
fn whole(text: &str, width: usize, most: usize) -> Vec<String> {
    let lines = wrap(text, width);
    if lines.len() <= most {
        return lines;
    }
    let text = shorten(text, width * most);
    // No line breaks at a space that looks like a letter.
    let mut lines = wrap(&text.replace(' ', "\u{a0}"), width);
    lines.truncate(most);
    let spaced = lines.iter().map(|line| line.replace('\u{a0}', " "));
    spaced.collect()
}

/// The keys that there is room for.
fn keys(width: usize) -> String {
    let mut text = String::new();
    for key in KEYS {
        if text.len() + key.len() + LAST_KEY.len() + 4 > width {
            break;
        }
        text.push_str(key);
        text.push_str("  ");
    }
    text + LAST_KEY
}
