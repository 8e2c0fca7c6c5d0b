//! Puts two groups of runs side by side.

use std::collections::HashMap;

use super::{
    comparison::{Comparison, Error, Options},
    contents::unite_parts,
    fairness,
    measure::Measured,
    rows::{ChangeRow, Frame, Subject},
    statistics::MOST_RUNS,
};
use crate::words::printable;

/// Puts two groups of runs side by side.
pub fn compare_runs(
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
        units: units_of_work(&base, &new, options.per.as_deref())?,
    };
    check_distinct(&frame.runs)?;
    let copied: Vec<f64> = frame.runs.iter().map(|run| run.copied).collect();
    // Writers are compared only if every run has them; otherwise they would seem to vanish.
    let knows = |of: fn(&Measured) -> bool| frame.runs.iter().all(|run| of(run));
    let has_writers = knows(|run| run.has_writers() || run.copied == 0.0);
    let has_lines = has_writers && knows(|run| run.has_lines || run.copied == 0.0);
    let by = |is_known: bool, rows: fn(&Frame<'_>) -> Vec<ChangeRow>| {
        if is_known { rows(&frame) } else { Vec::new() }
    };
    let (mappings, unmatched) = frame.mappings();
    Ok(Comparison {
        warnings: fairness::find_warnings(&base, &new, options.per.is_some()),
        unlike: fairness::why_unlike(&base, &new, options.per.is_some()),
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
        others: frame.rows(&unite_parts(&frame.each(|run| &run.others)), Subject::Part),
        base,
        new,
        options,
    })
}

/// The units of work of each run.
fn units_of_work(
    base: &[Measured],
    new: &[Measured],
    label: Option<&str>,
) -> Result<Option<Vec<f64>>, Error> {
    let Some(label) = label else { return Ok(None) };
    let number = |run: &Measured| {
        let Some(value) = run.labels.get(label) else {
            return Err(Error::NoLabel {
                run: printable(&run.name),
                label: printable(label),
            });
        };
        match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
            _ => Err(Error::NoNumber {
                run: printable(&run.name),
                label: printable(label),
                value: printable(value),
            }),
        }
    };
    base.iter()
        .chain(new)
        .map(number)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn check_distinct(runs: &[&Measured]) -> Result<(), Error> {
    let mut known: HashMap<&str, &str> = HashMap::new();
    for run in runs {
        if let Some(other) = known.insert(&run.id, &run.name) {
            return Err(Error::SameRun(printable(other), printable(&run.name)));
        }
    }
    Ok(())
}
