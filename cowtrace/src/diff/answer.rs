//! The answer in sentences: how much changed, how certain that is, and what most of it is.

use super::{
    comparison::Comparison,
    rows::{ChangeRow, Changes, Subject},
    statistics::{ALPHA, Change, Finding, RunEvidence, rarest_chance},
    unit::one_unit,
    words::{
        bytes_in_words, explained, growth_between, growth_in_words, signed_bytes, subject_in_words,
        told_apart,
    },
};
use crate::words::{percent, plural, printable, shorten};

/// A row with at least this share of the change is named as its main part.
const MOSTLY: f64 = 0.5;
/// Smaller changes are not explained.
const WORTH_EXPLAINING: f64 = 0.01;
/// Longer labels are cut.
const MAX_LABEL: usize = 24;

impl Comparison {
    /// The answer in one sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let change = self.totals.main();
        let (base, new) = (change.base.median, change.new.median);
        let per = self.per_words();
        match change.relative() {
            None if new == 0.0 => "Neither side copies a page.".into(),
            None => format!("NEW copies {}{per}, BASE nothing.", bytes_in_words(new)),
            Some(_)
                if change.finding == Finding::NoneSeen
                    && bytes_in_words(base) == bytes_in_words(new) =>
            {
                format!(
                    "No difference seen: NEW and BASE each copy {}{per}.",
                    bytes_in_words(new)
                )
            }
            Some(_) if change.finding == Finding::NoneSeen => format!(
                "No difference seen: NEW copies {}{per}, BASE {}.",
                bytes_in_words(new),
                bytes_in_words(base)
            ),
            Some(relative) => match instead_of(change) {
                None => format!("NEW copies as much as BASE: {}{per}.", bytes_in_words(new)),
                Some(instead) => format!(
                    "NEW copies {}{per}: {instead}{}{}.",
                    growth_in_words(relative),
                    self.by_worker(),
                    self.mostly(change, relative)
                ),
            },
        }
    }

    /// Whether NEW copies more or less, and by how much, in a few words.
    #[must_use]
    pub fn growth(&self) -> String {
        let change = self.totals.main();
        let per = self.per_words();
        match change.relative() {
            Some(relative) => format!("NEW copies {}{per}", growth_in_words(relative)),
            None => format!(
                "NEW copies {}{per}, BASE nothing",
                bytes_in_words(change.new.median)
            ),
        }
    }

    /// How certain the answer is, in one or two sentences.
    #[must_use]
    pub fn confidence(&self) -> String {
        let change = self.totals.main();
        let (base, new) = (self.base.len(), self.new.len());
        let Some(evidence) = &change.evidence else {
            return "Run-to-run noise is unknown with one run a side.".into();
        };
        let limit = self.limit_words(change);
        let runs = format!("medians of {base} and {}", plural(new as u64, "run"));
        let by_chance = 2.0 * rarest_chance(base, new);
        match change.finding {
            Finding::ApartButFew => format!(
                "All runs of NEW are {} all of BASE, which chance alone does in {} of comparisons \
                 of {base} and {}: record 4 or more a side to know.{limit}",
                if change.difference() < 0.0 {
                    "below"
                } else {
                    "above"
                },
                percent(by_chance.min(1.0)),
                plural(new as u64, "run"),
            ),
            Finding::NoneSeen if by_chance > ALPHA => format!(
                "But {base} and {} could only hint at one: record 4 or more a side.{limit}",
                plural(new as u64, "run")
            ),
            _ => format!("{} ({runs}).{limit}", interval_text(evidence)),
        }
    }

    /// What `--fail-above` makes of growth that is no certain difference: it tests for growth alone,
    /// which chance causes half as often.
    fn limit_words(&self, change: &Change) -> String {
        let is_judged = self.options.fail_above.is_some() && self.unlike.is_none();
        match &change.evidence {
            Some(evidence)
                if is_judged && change.has_grown() && change.finding != Finding::Seen =>
            {
                format!(
                    " For --fail-above this counts as growth: chance alone puts NEW this high in {} \
                     of comparisons.",
                    percent(evidence.chance.more)
                )
            }
            _ => String::new(),
        }
    }

    fn per_words(&self) -> String {
        let words =
            |label: &String| format!(" per {}", one_unit(&shorten(&printable(label), MAX_LABEL)));
        self.options.per.as_ref().map(words).unwrap_or_default()
    }

    fn by_worker(&self) -> String {
        match &self.totals {
            Changes {
                per_worker: Some(change),
                per_unit: None,
                ..
            } => instead_of(change).map_or_else(String::new, |it| format!(", {it} a worker")),
            _ => String::new(),
        }
    }

    /// What most of the change is: a kind of write, otherwise a mapping.
    fn mostly(&self, total: &Change, relative: f64) -> String {
        if relative.abs() < WORTH_EXPLAINING {
            return String::new();
        }
        let explains = |row: &&ChangeRow| {
            let change = row.changes.main();
            change.difference() / total.difference() >= MOSTLY
                && change.finding != Finding::NoneSeen
        };
        let rows = if self.kinds.is_empty() {
            &self.mappings
        } else {
            &self.kinds
        };
        let Some(row) = rows.iter().find(explains) else {
            return String::new();
        };
        let words = match &row.subject {
            Subject::Kind(kind) => explained(*kind).to_owned(),
            other => subject_in_words(other),
        };
        let instead = instead_of(row.changes.main());
        instead.map_or_else(String::new, |it| format!("; mostly {words}: {it}"))
    }
}

/// `21 MiB instead of 33 MiB`; none if both are the same.
fn instead_of(change: &Change) -> Option<String> {
    let (base, new) = told_apart(change.base.median, change.new.median)?;
    Some(format!("{new} instead of {base}"))
}

fn interval_text(evidence: &RunEvidence) -> String {
    let interval = &evidence.interval;
    let level = interval.level * 100.0;
    let in_bytes = |(from, to): (f64, f64)| match (signed_bytes(from), signed_bytes(to)) {
        (from, to) if from == to => from,
        (from, to) => format!("{from} to {to}"),
    };
    let range = interval.relative.map_or_else(
        || in_bytes(interval.difference),
        |(from, to)| growth_between(from, to),
    );
    format!("With {level:.1} % confidence: {range}")
}
