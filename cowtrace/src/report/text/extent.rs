//! How much of a report is printed.

/// How much of the text report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// The first lines, and the top of each table. Holds the command that prints the report again, without its
    /// options; `None` if nothing has kept the run.
    Short(Option<&'a str>),
    /// All of it.
    Full,
}

impl Extent<'_> {
    /// Rows of a table that has so many in full, and so many in short.
    pub(super) const fn most_rows(self, full: usize, short: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Short(_) => short,
        }
    }

    pub(super) const fn is_full(self) -> bool {
        matches!(self, Self::Full)
    }
}
