//! The columns of a table in text: figures, then the row's subject.

use unicode_width::UnicodeWidthStr as _;

use crate::{
    report::columns::{Column, Holds},
    terminal::{Grid, wrap},
    words::shorten,
};

/// A name that has fewer columns may take several lines.
const NARROW: usize = 32;
/// So many at most.
const MOST_LINES: usize = 3;
/// What stands before all but the first.
const INDENT: &str = "  ";

/// The columns of figures of a table whose rows are `R`, and all titles.
pub(super) struct View<'a, R> {
    titles: Vec<&'a str>,
    right: Vec<usize>,
    figures: Vec<&'a Column<R>>,
}

impl<'a, R> View<'a, R> {
    /// A table whose first text column is the row's subject.
    pub(super) fn of(columns: &'a [Column<R>]) -> Self {
        let about = columns.iter().find(|column| column.holds == Holds::Text);
        Self::about(columns, about.map_or("", |column| column.title))
    }

    /// A table whose rows have another subject.
    pub(super) fn about(columns: &'a [Column<R>], title: &'a str) -> Self {
        let figures = columns.iter().filter(|column| column.is_figure_of_text());
        let figures: Vec<&Column<R>> = figures.collect();
        let is_right = |place: &usize| figures[*place].holds.is_right();
        Self {
            titles: figures
                .iter()
                .map(|column| column.title)
                .chain([title])
                .collect(),
            right: (0..figures.len()).filter(is_right).collect(),
            figures,
        }
    }

    /// The table, without rows.
    pub(super) fn grid(&self) -> Grid<'_> {
        Grid::new(&self.titles, &self.right)
    }

    /// The figures of a row.
    pub(super) fn figures(&self, row: &R) -> Vec<String> {
        let figure = |column: &&Column<R>| column.holds.in_words((column.cell)(row));
        self.figures.iter().map(figure).collect()
    }
}

/// A name in a table, in so many columns. In narrow tables its words stand below each other, and only one
/// that is too long for a line is cut in its middle.
pub(super) fn name_in(name: &str, room: usize) -> String {
    if room >= NARROW || name.width() <= room {
        return shorten(name, room);
    }
    let line = room.saturating_sub(INDENT.len());
    let words: Vec<String> = name.split(' ').map(|word| shorten(word, line)).collect();
    let lines = wrap(&words.join(" "), line);
    match lines.len() {
        2..=MOST_LINES => lines.join(&format!("\n{INDENT}")),
        _ => shorten(name, room),
    }
}

/// Words in a table, in so many columns: never cut.
pub(super) fn in_lines(words: &str, room: usize) -> String {
    if words.width() <= room {
        return words.to_owned();
    }
    wrap(words, room.saturating_sub(INDENT.len())).join(&format!("\n{INDENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_names_take_several_lines_before_they_are_cut() {
        assert_eq!(
            name_in("reference counts of str", 24),
            "reference counts of str"
        );
        assert_eq!(
            name_in("reference counts of str", 18),
            "reference counts\n  of str"
        );
        let long = "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0";
        for room in [20, 40] {
            assert_eq!(name_in(long, room), shorten(long, room));
        }
        let function = "_PyEval_EvalFrameDefault (libpython3.11.so.1.0)";
        let lines = "_PyEva…FrameDefault\n  (libpy…3.11.so.1.0)";
        assert_eq!(name_in(function, 21), lines);
        assert_eq!(name_in("a b c d e f", 3), shorten("a b c d e f", 3));
        for room in 5..80 {
            let named = name_in(long, room);
            assert!(named.lines().all(|line| line.width() <= room), "{named}");
        }
        assert_eq!(in_lines("(not looked for)", 12), "(not\n  looked\n  for)");
    }
}
