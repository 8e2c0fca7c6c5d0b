//! A column, and how its content is written.

use serde::Serialize;
use serde_json::Value;

use crate::{
    terminal::bar,
    words::{count, percent, seconds, size},
};

/// Characters of a full bar.
const BAR: usize = 8;

/// A column of a table whose rows are `R`.
pub(crate) struct Column<R> {
    /// As in text; the HTML page capitalizes it.
    pub(crate) title: &'static str,
    pub(crate) holds: Holds,
    pub(crate) shown: Shown,
    /// Its content in a row.
    pub(crate) cell: fn(&R) -> Cell,
}

/// Where a column is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Everywhere,
    InText,
    OnPage,
}

/// What kind of values a column holds, which decides how they are written.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Holds {
    /// A number of bytes.
    Bytes,
    /// A number of things.
    Count,
    /// A number that identifies something, such as a process id.
    Number,
    /// A part of a whole, from 0 to 1.
    Share,
    /// The same, drawn as a bar.
    Bar,
    /// Nanoseconds.
    Time,
    /// Several figures in words.
    Figures,
    /// One of a few words.
    Word,
    /// The row's subject; in text it gets the space that the figures leave.
    Text,
}

/// A cell.
#[derive(Clone)]
pub(crate) enum Cell {
    /// Unknown, or nothing to say.
    Empty,
    Number(u64),
    /// From 0 to 1.
    Part(f64),
    Words(String),
}

impl<R> Column<R> {
    pub(super) const fn new(
        title: &'static str,
        holds: Holds,
        shown: Shown,
        cell: fn(&R) -> Cell,
    ) -> Self {
        Self {
            title,
            holds,
            shown,
            cell,
        }
    }

    /// Whether text shows it beside the row's subject.
    pub(crate) fn is_figure_of_text(&self) -> bool {
        self.shown != Shown::OnPage && self.holds != Holds::Text
    }

    pub(crate) fn is_on_page(&self) -> bool {
        self.shown != Shown::InText
    }
}

impl Holds {
    /// Whether text aligns it to the right.
    pub(crate) fn is_right(self) -> bool {
        !matches!(self, Self::Bar | Self::Word | Self::Text)
    }

    /// A cell as text.
    pub(crate) fn in_words(self, cell: Cell) -> String {
        match (cell, self) {
            (Cell::Empty, _) => String::new(),
            (Cell::Words(words), _) => words,
            (Cell::Number(bytes), Self::Bytes) => size(bytes),
            (Cell::Number(ns), Self::Time) => seconds(ns),
            (Cell::Number(number), Self::Count) => count(number),
            (Cell::Number(number), _) => number.to_string(),
            (Cell::Part(part), Self::Bar) => bar(part, BAR),
            (Cell::Part(part), _) => percent(part),
        }
    }
}

impl From<Cell> for Value {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Empty => Self::Null,
            Cell::Number(number) => number.into(),
            Cell::Part(part) => part.into(),
            Cell::Words(words) => words.into(),
        }
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<f64> for Cell {
    fn from(part: f64) -> Self {
        Self::Part(part)
    }
}

impl From<&str> for Cell {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(words: &String) -> Self {
        Self::Words(words.clone())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_written_as_its_column_holds() {
        let told = [Holds::Bytes, Holds::Count, Holds::Number, Holds::Time]
            .map(|holds| holds.in_words(4_096.into()));
        assert_eq!(told, ["4 KiB", "4,096", "4096", "0.0 s"]);
        let told = [Holds::Share, Holds::Bar].map(|holds| holds.in_words(0.5.into()));
        assert_eq!(told, ["50 %", "████"]);
        assert_eq!(Holds::Share.in_words(None::<f64>.into()), "");
        assert_eq!(Value::from(Cell::from(None::<u64>)), Value::Null);
    }
}
