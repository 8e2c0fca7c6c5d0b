//! Two groups of runs side by side: what differs, and whether that is more than noise.
//!
//! [`Measured::of`] reduces a run, [`compare`] puts runs side by side, and the renderers show the
//! [`Comparison`]. All are pure functions. BASE and NEW are the two sides; changes are told from BASE
//! to NEW.

mod answer;
mod fairness;
mod html;
mod json;
mod lines;
mod measure;
mod regions;
mod renames;
mod rows;
mod shape;
#[cfg(test)]
mod shown;
mod statistics;
#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::collections::HashMap;

pub use fairness::Warning;
pub use html::html;
pub use json::json;
pub use measure::Measured;
pub use rows::{Changes, Mapping, Row, Subject};
pub use statistics::{Change, Evidence, Finding, MOST_RUNS, can_tell_growth};
pub use text::text;

use rows::Frame;

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Label whose number is a run's units of work.
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
    /// The same run is there twice, which would make noise look small.
    #[error("{0} and {1} are the same run; give each run once")]
    SameRun(String, String),
    /// A run does not say how much work it did.
    #[error("{run} has no label {label}; give it one with `cowtrace label {run} {label}=NUMBER`")]
    NoLabel {
        /// The run.
        run: String,
        /// The label.
        label: String,
    },
    /// Nor does this one.
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
    /// What was asked for.
    pub options: Options,
    /// What makes the comparison less than fair.
    pub warnings: Vec<Warning>,
    /// Why it says nothing of a limit: the runs did not run alike.
    pub unlike: Option<String>,
    /// All copies.
    pub totals: Changes,
    /// By kind of write. This and the following: the largest change first.
    pub kinds: Vec<Row>,
    /// By what was written.
    pub written: Vec<Row>,
    /// By the function that wrote.
    pub functions: Vec<Row>,
    /// By the Python line that wrote.
    pub lines: Vec<Row>,
    /// By mapping of a master.
    pub mappings: Vec<Row>,
    /// Mappings without a counterpart, together.
    pub unmatched: Option<Row>,
    /// Memory without a position.
    pub others: Vec<Row>,
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

/// Puts two groups of runs side by side.
pub fn compare(
    base: Vec<Measured>,
    new: Vec<Measured>,
    options: Options,
) -> Result<Comparison, Error> {
    for side in [&base, &new] {
        if side.is_empty() || side.len() > MOST_RUNS {
            return Err(Error::Number(side.len()));
        }
    }
    let frame = Frame {
        runs: base.iter().chain(&new).collect(),
        base: base.len(),
        units: units(&base, &new, options.per.as_deref())?,
    };
    distinct(&frame.runs)?;
    let copied: Vec<f64> = frame.runs.iter().map(|run| run.copied).collect();
    // Writers are compared only where every run knows them: else they seem to vanish.
    let knows = |of: fn(&Measured) -> bool| frame.runs.iter().all(|run| of(run));
    let has_writers = knows(|run| run.has_writers() || run.copied == 0.0);
    let has_lines = has_writers && knows(|run| run.has_lines || run.copied == 0.0);
    let by = |is_known: bool, rows: fn(&Frame<'_>) -> Vec<Row>| {
        if is_known { rows(&frame) } else { Vec::new() }
    };
    let (mappings, unmatched) = frame.mappings();
    Ok(Comparison {
        warnings: fairness::warnings(&base, &new, options.per.is_some()),
        unlike: fairness::unlike(&base, &new, options.per.is_some()),
        totals: frame.changes(&copied),
        kinds: by(has_writers, |it| {
            it.rows(&it.each(|run| &run.kinds), Subject::Kind)
        }),
        written: by(has_writers, |it| {
            it.rows(&it.each(|run| &run.written), Subject::Written)
        }),
        functions: by(has_writers, |it| {
            it.rows(&it.each(|run| &run.functions), Subject::Function)
        }),
        lines: if has_lines { frame.lines() } else { Vec::new() },
        mappings,
        unmatched,
        others: frame.rows(&frame.each(|run| &run.others), Subject::Part),
        base,
        new,
        options,
    })
}

/// The units of work of each run.
fn units(
    base: &[Measured],
    new: &[Measured],
    label: Option<&str>,
) -> Result<Option<Vec<f64>>, Error> {
    let Some(label) = label else { return Ok(None) };
    let number = |run: &Measured| {
        let Some(value) = run.labels.get(label) else {
            return Err(Error::NoLabel {
                run: run.name.clone(),
                label: label.to_owned(),
            });
        };
        match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
            _ => Err(Error::NoNumber {
                run: run.name.clone(),
                label: label.to_owned(),
                value: crate::report::printable(value),
            }),
        }
    };
    base.iter()
        .chain(new)
        .map(number)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn distinct(runs: &[&Measured]) -> Result<(), Error> {
    let mut known: HashMap<&str, &str> = HashMap::new();
    for run in runs {
        if let Some(other) = known.insert(&run.id, &run.name) {
            return Err(Error::SameRun(other.to_owned(), run.name.clone()));
        }
    }
    Ok(())
}
