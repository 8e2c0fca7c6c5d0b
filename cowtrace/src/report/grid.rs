//! Tables laid out for a width: columns of figures, then one of text, which gets what they leave.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr as _;

use super::{Style, words::shorten};

/// Where less than this is left for the text, figures are left out, columns.
const LEAST_TEXT: usize = 16;
/// What stands before the first column.
const INDENT: &str = " ";
/// Spaces around a cell, one on each side.
const AROUND: usize = 2;

/// The last cell of a row: text for a number of columns, of one line or several.
type Text<'a> = Box<dyn Fn(usize) -> String + 'a>;

/// A table that is put together row by row.
pub(crate) struct Grid<'a> {
    header: &'a [&'a str],
    right: &'a [usize],
    dispensable: &'a [usize],
    rows: Vec<(Vec<String>, Text<'a>)>,
}

impl<'a> Grid<'a> {
    /// With a header, whose last column is the text, and the columns that are aligned to the right.
    pub(crate) fn new(header: &'a [&'a str], right: &'a [usize]) -> Self {
        Self {
            header,
            right,
            dispensable: &[],
            rows: Vec::new(),
        }
    }

    /// Names the columns that are left out where there is no room, the first one first.
    pub(crate) fn dispensable(self, columns: &'a [usize]) -> Self {
        Self {
            dispensable: columns,
            ..self
        }
    }

    /// Adds a row: its figures, and what makes its text.
    pub(crate) fn add<const N: usize>(
        &mut self,
        figures: [String; N],
        text: impl Fn(usize) -> String + 'a,
    ) {
        self.rows.push((figures.into(), Box::new(text)));
    }

    /// The table, no line wider than the style is, without an end of line.
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
            shown.retain(|column| column != without);
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
    fn figures_are_left_out_where_the_text_would_not_fit() {
        assert!(lines(60)[1].contains("82"));
        assert!(!lines(32)[1].contains("82"));
        assert_eq!(lines(32)[1], "        1  /usr/li…on3.11.so.1.0");
    }
}
