//! Two groups of runs side by side: what differs, and whether that is more than noise.
//!
//! [`Measured::of`] reduces a run, [`compare`] puts runs side by side, and the renderers show the
//! [`Comparison`]. All are pure functions. BASE and NEW are the two sides; changes go from BASE to
//! NEW.

mod alignment;
mod answer;
mod columns;
mod compare;
mod comparison;
mod contents;
mod fairness;
mod html;
mod json;
#[cfg(test)]
mod limits;
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
mod unit;
mod words;

pub use compare::compare_runs;
pub use comparison::{Comparison, Error, Options};
pub use fairness::Warning;
pub use html::comparison_as_html;
pub use json::{DIFF_SCHEMA, comparison_as_json};
pub use measure::Measured;
pub use rows::{AlignedMapping, ChangeRow, Changes, Subject};
pub use statistics::{Change, Finding, MOST_RUNS, RunEvidence, can_tell_growth};
pub use text::comparison_as_text;
