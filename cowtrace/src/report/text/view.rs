//! The columns of a table in text: figures, then the row's subject.

use crate::{
    report::columns::{Column, Holds},
    terminal::Grid,
};

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
