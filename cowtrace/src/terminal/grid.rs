//! Tables that fit a width: columns of figures, then a column of text, which gets the rest.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr as _;

use super::style::Style;
use crate::words::shorten;

/// If less than this is left for the text, columns of figures are left out; in columns of the
/// terminal.
const LEAST_TEXT: usize = 16;
/// Indentation of the first column.
const INDENT: &str = " ";
/// Spaces around a cell, one on each side.
const AROUND: usize = 2;

/// The last cell of a row: text for a given width, in one or more lines.
type Text<'a> = Box<dyn Fn(usize) -> String + 'a>;

/// A table that is built row by row.
pub(crate) struct Grid<'a> {
    header: &'a [&'a str],
    right: &'a [usize],
    dispensable: &'a [usize],
    /// Columns that are never shown.
    hidden: &'a [usize],
    /// A column, and the shorter one that replaces it if it is left out.
    shorter: Option<(usize, usize)>,
    rows: Vec<(Vec<String>, Text<'a>)>,
}

impl<'a> Grid<'a> {
    /// A table with these titles, of which the last is that of the text, and these columns aligned
    /// to the right.
    pub(crate) fn new(header: &'a [&'a str], right: &'a [usize]) -> Self {
        Self {
            header,
            right,
            dispensable: &[],
            hidden: &[],
            shorter: None,
            rows: Vec::new(),
        }
    }

    /// Names the columns that may be left out if there is no room, in that order.
    pub(crate) fn dispensable(self, columns: &'a [usize]) -> Self {
        Self {
            dispensable: columns,
            ..self
        }
    }

    /// Names columns that are left out whatever room there is: nothing is known for them.
    pub(crate) fn hidden(self, columns: &'a [usize]) -> Self {
        Self {
            hidden: columns,
            ..self
        }
    }

    /// Names a dispensable column and a shorter one with the same content, which is shown only if
    /// the former is left out.
    pub(crate) fn shorter(self, long: usize, short: usize) -> Self {
        Self {
            shorter: Some((long, short)),
            ..self
        }
    }

    /// Whether a column of figures is shown.
    pub(crate) fn shows(&self, column: usize, style: Style) -> bool {
        self.fitting(style.width).0.contains(&column)
    }

    /// Adds a row: its figures, and a function that lays out its text.
    pub(crate) fn add(
        &mut self,
        figures: impl Into<Vec<String>>,
        text: impl Fn(usize) -> String + 'a,
    ) {
        self.rows.push((figures.into(), Box::new(text)));
    }

    /// The table, with no line wider than the style allows, and no line break at its end.
    pub(crate) fn lines(&self, style: Style) -> String {
        let (shown, room) = self.fitting(style.width);
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        let title = self.header.last().copied().unwrap_or_default();
        let header = shown.iter().map(|&column| self.header[column].to_owned());
        table.set_header(header.chain([shorten(title, room)]));
        for (figures, text) in &self.rows {
            let figures = shown.iter().map(|&column| figures[column].clone());
            table.add_row(figures.chain([text(room)]));
        }
        for (place, column) in shown.iter().enumerate() {
            if let Some(cells) = table
                .column_mut(place)
                .filter(|_| self.right.contains(column))
            {
                cells.set_cell_alignment(CellAlignment::Right);
            }
        }
        let table = table.trim_fmt();
        let lines: Vec<String> = table
            .lines()
            .map(|line| format!("{INDENT}{line}"))
            .collect();
        lines.join("\n")
    }

    /// The columns of figures that are shown, and the columns of the terminal left for the text.
    fn fitting(&self, width: usize) -> (Vec<usize>, usize) {
        let mut shown: Vec<usize> = (0..self.header.len().saturating_sub(1)).collect();
        shown.retain(|column| {
            !self.hidden.contains(column) && self.shorter.is_none_or(|(_, short)| short != *column)
        });
        let mut dispensable = self.dispensable.iter();
        loop {
            let taken: usize = shown
                .iter()
                .map(|&column| self.width_of(column) + AROUND)
                .sum();
            let room = width.saturating_sub(INDENT.len() + taken + AROUND / 2);
            if room >= LEAST_TEXT {
                return (shown, room);
            }
            let Some(without) = dispensable.next() else {
                return (shown, room);
            };
            match self.shorter {
                Some((long, short)) if long == *without => {
                    for column in shown.iter_mut().filter(|column| **column == long) {
                        *column = short;
                    }
                }
                _ => shown.retain(|column| column != without),
            }
        }
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|(figures, _)| figures[column].width());
        cells
            .chain([self.header[column].width()])
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: usize) -> Vec<String> {
        let mut grid = Grid::new(&["copied", "of", "mapping"], &[0, 1]).dispensable(&[1]);
        for pages in [1, 1_000_000] {
            grid.add([pages.to_string(), "4 GiB x 82".into()], |room| {
                shorten("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", room)
            });
        }
        let color = false;
        let lines = grid.lines(Style { width, color });
        lines.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_text_gets_what_the_figures_leave() {
        for width in 20..120 {
            let lines = lines(width);
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:?}");
        }
        assert!(lines(72)[1].ends_with(" /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0"));
        assert!(lines(60)[1].ends_with("libpython3.11.so.1.0"));
    }

    #[test]
    fn a_shorter_column_takes_the_place_of_one_that_is_left_out() {
        let mut grid = Grid::new(&["copied", "", "", "process"], &[0])
            .dispensable(&[1])
            .shorter(1, 2);
        let words = ["4 MiB", "worker, exited (137)", "worker"].map(str::to_owned);
        grid.add(words, |room| shorten("python3.11-debug", room));
        let lines = |width: usize| {
            let style = Style {
                width,
                color: false,
            };
            assert_eq!(grid.shows(1, style), !grid.shows(2, style));
            grid.lines(style).lines().last().map(str::to_owned)
        };
        let long = "   4 MiB  worker, exited (137)  python3.11-debug";
        assert_eq!(lines(80).as_deref(), Some(long));
        let short = "   4 MiB  worker  python3.11-debug";
        assert_eq!(lines(40).as_deref(), Some(short));
    }

    #[test]
    fn figures_are_left_out_where_the_text_would_not_fit() {
        assert!(lines(60)[1].contains("82"));
        assert!(!lines(32)[1].contains("82"));
        assert_eq!(lines(32)[1], "        1  /usr/li…on3.11.so.1.0");
    }
}
