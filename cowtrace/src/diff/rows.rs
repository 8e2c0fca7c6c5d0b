//! The rows of a comparison: everything that can have a figure on both sides, and how it changed.

use std::{borrow::Borrow, collections::BTreeMap};

use super::{
    alignment::{Aligned, align_mappings},
    contents::unite_mappings,
    lines::{Place, WrittenLine, rename_places, settle_lines},
    measure::{Measured, Written},
    regions::{Class, Part, Piece},
    renames::{of_mappings, with_names},
    shape::{Shape, ShapeSpread},
    statistics::Change,
};
use crate::run::WriteKind;

/// Rows of a table that are listed, those with most bytes; the others are added up.
const MOST_ROWS: usize = 500;

/// The change of a figure, in three measures. Bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Per run.
    pub total: Change,
    /// Per worker; none if a run had no workers.
    pub per_worker: Option<Change>,
    /// Per unit of work; none without `--per`.
    pub per_unit: Option<Change>,
}

impl Changes {
    /// The measure that the comparison uses: per unit of work with `--per`.
    #[must_use]
    pub fn main(&self) -> &Change {
        self.per_unit.as_ref().unwrap_or(&self.total)
    }
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A kind of write.
    Kind(WriteKind),
    /// What was written.
    Written(Written),
    /// The function that wrote, with its module.
    Function(String),
    /// The Python line that wrote.
    Line(WrittenLine),
    /// A master's mapping.
    Mapping(AlignedMapping),
    /// Memory without a position.
    Part(Part),
    /// Mappings without a counterpart in every run: their number.
    Unmatched(usize),
    /// Rows that are too small to be listed: their number.
    Others(usize),
}

/// A mapping of both sides, or of one of them only.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignedMapping {
    /// Name, kind and master.
    pub class: Class,
    /// Whether its contents show its name in some runs only.
    pub is_partly_unnamed: bool,
    /// Its position among those of its class, from 1.
    pub position: usize,
    /// How many mappings its class has.
    pub of: usize,
    /// Its size in BASE, bytes, averaged over the runs; none if no run of BASE has it.
    pub size_base: Option<f64>,
    /// Its size in NEW.
    pub size_new: Option<f64>,
    /// Share of it that is no longer shared in BASE, averaged over the runs; none if nothing was
    /// inherited.
    pub unshared_base: Option<f64>,
    /// The same in NEW.
    pub unshared_new: Option<f64>,
    /// How the spread of the copies differs; none if only one side has the mapping.
    pub spread: Option<ShapeSpread>,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// Its subject.
    pub subject: Subject,
    /// How it changed.
    pub changes: Changes,
}

/// How many runs each side has, and the divisors of their figures.
pub(super) struct Frame<'a> {
    pub(super) runs: Vec<&'a Measured>,
    pub(super) base: usize,
    /// Units of work of each run, with `--per`.
    pub(super) units: Option<Vec<f64>>,
}

impl<'a> Frame<'a> {
    /// Something of each run.
    pub(super) fn each<T>(&self, of: impl Fn(&'a Measured) -> &'a T) -> Vec<&'a T> {
        self.runs.iter().map(|run| of(run)).collect()
    }

    /// The change of a figure whose values in the runs these are, BASE first.
    pub(super) fn changes(&self, values: &[f64]) -> Changes {
        let between = |values: &[f64]| Change::between(&values[..self.base], &values[self.base..]);
        let divided = |by: Vec<f64>| -> Vec<f64> {
            values
                .iter()
                .zip(by)
                .map(|(value, by)| value / by)
                .collect()
        };
        let workers: Vec<f64> = self.runs.iter().map(|run| run.workers as f64).collect();
        Changes {
            total: between(values),
            per_worker: workers
                .iter()
                .all(|&workers| workers > 0.0)
                .then(|| between(&divided(workers))),
            per_unit: self.units.clone().map(|units| between(&divided(units))),
        }
    }

    /// Rows from the values of each run, by key.
    pub(super) fn rows<K: Ord + Clone>(
        &self,
        by_run: &[impl Borrow<BTreeMap<K, f64>>],
        subject: impl Fn(K) -> Subject,
    ) -> Vec<ChangeRow> {
        let mut values: BTreeMap<&K, Vec<f64>> = BTreeMap::new();
        for (run, sums) in by_run.iter().enumerate() {
            for (key, bytes) in sums.borrow() {
                let row = values.entry(key);
                row.or_insert_with(|| vec![0.0; by_run.len()])[run] = *bytes;
            }
        }
        self.of_values(
            values
                .into_iter()
                .map(|(key, values)| (subject(key.clone()), values)),
        )
    }

    /// Rows, the largest change first.
    fn of_values(&self, values: impl Iterator<Item = (Subject, Vec<f64>)>) -> Vec<ChangeRow> {
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        let mut values: Vec<_> = values.filter(|(_, values)| sum(values) > 0.0).collect();
        values.sort_by(|one, other| sum(&other.1).total_cmp(&sum(&one.1)));
        let others = values.split_off(values.len().min(MOST_ROWS));
        let row = |(subject, values): (Subject, Vec<f64>)| ChangeRow {
            subject,
            changes: self.changes(&values),
        };
        let mut rows: Vec<ChangeRow> = values.into_iter().map(row).collect();
        let far = |row: &ChangeRow| row.changes.main().difference().abs();
        rows.sort_by(|one, other| far(other).total_cmp(&far(one)));
        if !others.is_empty() {
            let number = others.len();
            let values = add_up_runs(
                self.runs.len(),
                others.into_iter().map(|(_, values)| values),
            );
            rows.push(row((Subject::Others(number), values)));
        }
        rows
    }

    pub(super) fn lines(&self) -> Vec<ChangeRow> {
        let mut lines: Vec<BTreeMap<Place, f64>> =
            self.runs.iter().map(|run| run.lines.clone()).collect();
        rename_places(&mut lines, self.base, &self.each(|run| &run.files));
        let (base, new) = lines.split_at(self.base);
        self.rows(&settle_lines(base, new), Subject::Line)
    }

    /// Rows of the mappings that can be compared, and one of all others.
    pub(super) fn mappings(&self) -> (Vec<ChangeRow>, Option<ChangeRow>) {
        let mappings = self.each(|run| &run.mappings);
        let names = of_mappings(&mappings, self.base);
        let mut renamed: Vec<_> = mappings.iter().map(|it| with_names(it, &names)).collect();
        unite_mappings(&mut renamed);
        let (aligned, left_out) = align_mappings(&renamed.iter().collect::<Vec<_>>());
        let (told, others): (Vec<_>, Vec<_>) = aligned
            .into_iter()
            .filter(|it| it.pieces.iter().flatten().any(|piece| piece.copied > 0.0))
            .partition(|it| self.is_told(it));
        let mut number = others.len();
        let mut values: Vec<Vec<f64>> = others
            .iter()
            .map(|it| copied_pages_of(&it.pieces))
            .collect();
        for by_run in left_out.into_values() {
            number += by_run.iter().map(Vec::len).max().unwrap_or_default();
            let sum = |pieces: &Vec<&Piece>| pieces.iter().map(|piece| piece.copied).sum();
            values.push(by_run.iter().map(sum).collect());
        }
        let unmatched = add_up_runs(self.runs.len(), values.into_iter());
        let rows = told.iter().map(|it| {
            (
                Subject::Mapping(self.mapping(it)),
                copied_pages_of(&it.pieces),
            )
        });
        let unmatched = unmatched
            .iter()
            .any(|&bytes| bytes > 0.0)
            .then(|| ChangeRow {
                subject: Subject::Unmatched(number),
                changes: self.changes(&unmatched),
            });
        (self.of_values(rows), unmatched)
    }

    /// Whether every run of one side has the mapping, and either every run or no run of the other.
    fn is_told(&self, aligned: &Aligned<'_>) -> bool {
        let (base, new) = aligned.pieces.split_at(self.base);
        let all = |side: &[Option<&Piece>]| side.iter().all(Option::is_some);
        let none = |side: &[Option<&Piece>]| side.iter().all(Option::is_none);
        (all(base) && (all(new) || none(new))) || (none(base) && all(new))
    }

    fn mapping(&self, aligned: &Aligned<'_>) -> AlignedMapping {
        let (base, new) = aligned.pieces.split_at(self.base);
        let ranges = self.runs[0].range_bytes;
        let same_ranges = self.runs.iter().all(|run| run.range_bytes == ranges);
        let both = base[0].is_some() && new[0].is_some();
        let spread = both.then(|| {
            ShapeSpread::between(&shapes_of_side(base), &shapes_of_side(new), same_ranges)
        });
        AlignedMapping {
            class: aligned.class.clone(),
            is_partly_unnamed: is_partly_unnamed(&aligned.pieces),
            position: aligned.position,
            of: aligned.of,
            size_base: mean_of_side(base, |piece| Some(piece.size as f64)),
            size_new: mean_of_side(new, |piece| Some(piece.size as f64)),
            unshared_base: mean_of_side(base, |piece| piece.unshared),
            unshared_new: mean_of_side(new, |piece| piece.unshared),
            spread,
        }
    }
}

fn copied_pages_of(pieces: &[Option<&Piece>]) -> Vec<f64> {
    let copied = |piece: Option<&Piece>| piece.map_or(0.0, |piece| piece.copied);
    pieces.iter().copied().map(copied).collect()
}

fn is_partly_unnamed(pieces: &[Option<&Piece>]) -> bool {
    let mut contents = pieces.iter().flatten().map(|piece| piece.contents);
    let first = contents.next();
    contents.any(|contents| Some(contents) != first)
}

fn shapes_of_side<'a>(side: &[Option<&'a Piece>]) -> Vec<Option<&'a Shape>> {
    let shape = |piece: &'a Piece| piece.shape.as_ref();
    side.iter().map(|piece| piece.and_then(shape)).collect()
}

fn mean_of_side(side: &[Option<&Piece>], of: impl Fn(&Piece) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = side
        .iter()
        .flatten()
        .filter_map(|piece| of(piece))
        .collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn add_up_runs(runs: usize, rows: impl Iterator<Item = Vec<f64>>) -> Vec<f64> {
    rows.fold(vec![0.0; runs], |mut sum, values| {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
        sum
    })
}
