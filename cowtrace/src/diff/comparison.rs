//! The data of a comparison of two groups of runs; renderers show it.

use super::{
    fairness::Warning,
    measure::Measured,
    rows::{ChangeRow, Changes},
    statistics::MOST_RUNS,
};

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Label whose value is the number of a run's units of work.
    pub per: Option<String>,
    /// Growth above which the comparison fails, as a fraction.
    pub fail_above: Option<f64>,
}

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A side has no runs, or too many.
    #[error("{0} runs on one side; give 1 to {MOST_RUNS}")]
    Number(usize),
    /// A run is given twice, which would make noise look small.
    #[error("{0} and {1} are the same run; give each run once")]
    SameRun(String, String),
    /// A run does not say how many units of work it did.
    #[error("{run} has no label {label}; give it one with `cowtrace label {run} {label}=NUMBER`")]
    NoLabel {
        /// The run.
        run: String,
        /// The label.
        label: String,
    },
    /// The label's value is not a number above 0.
    #[error("{run} has the label {label}={value}, which is no number above 0")]
    NoNumber {
        /// The run.
        run: String,
        /// The label.
        label: String,
        /// Its value.
        value: String,
    },
}

/// Two groups of runs side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The runs of BASE.
    pub base: Vec<Measured>,
    /// The runs of NEW.
    pub new: Vec<Measured>,
    /// How the user wants the runs compared.
    pub options: Options,
    /// Warnings: what makes the comparison less than fair.
    pub warnings: Vec<Warning>,
    /// Why a limit cannot be judged, because the runs are not comparable.
    pub unlike: Option<String>,
    /// Change of all copies.
    pub totals: Changes,
    /// By kind of write. In this list and the following ones the largest change comes first.
    pub kinds: Vec<ChangeRow>,
    /// By what was written.
    pub written: Vec<ChangeRow>,
    /// By the function that wrote.
    pub functions: Vec<ChangeRow>,
    /// By the Python line that wrote.
    pub lines: Vec<ChangeRow>,
    /// By mapping of a master.
    pub mappings: Vec<ChangeRow>,
    /// All mappings without a counterpart, added up.
    pub unmatched: Option<ChangeRow>,
    /// Memory without a position.
    pub others: Vec<ChangeRow>,
}

impl Comparison {
    /// Whether NEW copies so much more than BASE that the comparison fails.
    #[must_use]
    pub fn fails(&self) -> bool {
        let main = self.totals.main();
        let is_above = |limit: f64| main.relative().is_none_or(|growth| growth > limit);
        let is_judged = self.unlike.is_none();
        is_judged && main.has_grown() && self.options.fail_above.is_some_and(is_above)
    }
}
