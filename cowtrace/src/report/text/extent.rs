//! How much of a report is printed.

/// In the short report a row with this share of the copies is worth a line.
const MUCH: f64 = 0.1;
/// Of such rows, the short report shows at least the first number and at most the second.
const SHORT_ROWS: [usize; 2] = [2, 4];

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

    /// Rows of a table whose rows have these shares of the copies: in short, those with a tenth and more, between two
    /// and four.
    pub(super) fn rows_with_much(self, full: usize, shares: impl Iterator<Item = f64>) -> usize {
        let [least, most] = SHORT_ROWS;
        let much = shares.filter(|share| *share >= MUCH).count();
        self.most_rows(full, much.clamp(least, most))
    }

    pub(super) const fn is_full(self) -> bool {
        matches!(self, Self::Full)
    }
}
