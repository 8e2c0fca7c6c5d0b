//! What makes a comparison less than fair: differences of the runs that the service did not cause.

use super::measure::Measured;
use crate::words::{percent, printable, seconds, size};

/// Durations that differ by more than this are reported.
const LIKE_DURATION: f64 = 1.1;
/// Runs whose durations differ by more than this factor cannot be held to a limit: copies add up
/// over time, so the time alone may double them, which is more than any sensible limit. With units
/// of work (`--per`) a run may take any time.
const MOST_TIME: f64 = 2.0;
/// Shares of copies with known writers that differ by more than this are reported.
const LIKE_KNOWN: f64 = 0.02;
/// How many values of a side are named at most.
const MOST_VALUES: usize = 3;

/// A warning to keep in mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What differs, as a word for scripts.
    pub about: &'static str,
    /// How it differs, in words.
    pub text: String,
}

/// Differences between the runs other than in what they measure.
#[must_use]
pub(super) fn find_warnings(base: &[Measured], new: &[Measured], per_unit: bool) -> Vec<Warning> {
    let sides = Sides { base, new };
    let name = |text: &str| printable(text);
    let mut warnings: Vec<Warning> = [
        sides.differ("program", |run| {
            let names: Vec<String> = run.masters.iter().map(|comm| name(comm)).collect();
            names.join(" and ")
        }),
        sides.differ("backend", |run| name(&run.backend)),
        sides.differ("page size", |run| size(run.page_bytes)),
        sides.differ("range size", |run| size(run.range_bytes)),
        sides.differ("kernel", |run| name(&run.kernel)),
        sides.durations(),
        sides.differ("workers", |run| run.workers.to_string()),
        sides.writers(),
        sides.lines(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(workers) = warnings.iter_mut().find(|it| it.about == "workers")
        && !per_unit
    {
        workers.text.push_str("; look at the figures per worker");
    }
    warnings.extend(base.iter().map(|run| ("BASE", run)).filter_map(warn_lost));
    warnings.extend(new.iter().map(|run| ("NEW", run)).filter_map(warn_lost));
    warnings.extend(base.iter().chain(new).filter_map(warn_unfinished));
    warnings.extend(base.iter().chain(new).filter_map(failed));
    warnings
}

/// Why these runs cannot be held to a limit; none if they are comparable.
#[must_use]
pub(super) fn why_unlike(base: &[Measured], new: &[Measured], per_unit: bool) -> Option<String> {
    let all = || base.iter().chain(new);
    let of_failure = || all().find_map(failure_of_run);
    let of_workers = || {
        let have_workers = all().any(|run| run.workers > 0);
        let lacks = |run: &&Measured| run.workers == 0 && (have_workers || run.copied == 0.0);
        let name = printable(&all().find(lacks)?.name);
        Some(format!(
            "{name} has no workers: its service may not have run"
        ))
    };
    let of_time = || {
        let longest = all().max_by_key(|run| run.duration_ns)?;
        let shortest = all().min_by_key(|run| run.duration_ns)?;
        let is_far = longest.duration_ns as f64 > shortest.duration_ns as f64 * MOST_TIME;
        (is_far && !per_unit).then(|| {
            format!(
                "{} was traced for {}, {} for {}; trace both equally long, or give --per",
                printable(&shortest.name),
                seconds(shortest.duration_ns),
                printable(&longest.name),
                seconds(longest.duration_ns)
            )
        })
    };
    of_failure().or_else(of_workers).or_else(of_time)
}

fn failure_of_run(run: &Measured) -> Option<String> {
    let what = run.failure.as_ref()?;
    Some(format!("in {} {what}", printable(&run.name)))
}

fn failed(run: &Measured) -> Option<Warning> {
    failure_of_run(run).map(|what| Warning {
        about: "failure",
        text: format!("failure: {what}"),
    })
}

fn warn_unfinished(run: &Measured) -> Option<Warning> {
    run.unfinished.then(|| Warning {
        about: "unfinished",
        text: format!(
            "unfinished: the trace of {} was cut off; its last second and all writers may be missing",
            printable(&run.name)
        ),
    })
}

fn warn_lost((side, run): (&str, &Measured)) -> Option<Warning> {
    (!run.totals_lost.is_empty()).then(|| Warning {
        about: "losses",
        text: format!(
            "losses: totals of {} ({side}) may be too low: {}",
            printable(&run.name),
            run.totals_lost.join(", ")
        ),
    })
}

struct Sides<'a> {
    base: &'a [Measured],
    new: &'a [Measured],
}

impl Sides<'_> {
    fn all(&self) -> impl Iterator<Item = &Measured> {
        self.base.iter().chain(self.new)
    }

    fn differ(&self, about: &'static str, told: impl Fn(&Measured) -> String) -> Option<Warning> {
        let values = |side: &[Measured]| {
            let mut values: Vec<String> = Vec::new();
            for run in side {
                let value = told(run);
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            values
        };
        let (base, new) = (values(self.base), values(self.new));
        if base.len() <= 1 && base == new {
            return None;
        }
        let is_alike = {
            let (mut base, mut new) = (base.clone(), new.clone());
            base.sort_unstable();
            new.sort_unstable();
            base == new
        };
        Some(Warning {
            about,
            text: if is_alike {
                format!("{about}: {} on both sides", listed(base))
            } else {
                format!("{about}: {} in BASE, {} in NEW", listed(base), listed(new))
            },
        })
    }

    fn durations(&self) -> Option<Warning> {
        let ends = |side: &[Measured]| {
            let durations = || side.iter().map(|run| run.duration_ns);
            Some((durations().min()?, durations().max()?))
        };
        let (base, new) = (ends(self.base)?, ends(self.new)?);
        let (least, most) = (base.0.min(new.0), base.1.max(new.1));
        let told = |(least, most): (u64, u64)| match (seconds(least), seconds(most)) {
            (least, most) if least == most => least,
            (least, most) => format!("{least} to {most}"),
        };
        if most as f64 <= least as f64 * LIKE_DURATION {
            return None;
        }
        let text = match (told(base), told(new)) {
            // If both sides vary alike, this favours neither, unless it is so much that the runs
            // are not comparable.
            (base, new) if base == new => {
                let is_far = most as f64 > least as f64 * MOST_TIME;
                is_far.then(|| format!("duration: {base} on both sides"))?
            }
            (base, new) => format!("duration: {base} in BASE, {new} in NEW"),
        };
        Some(Warning {
            about: "duration",
            text,
        })
    }

    fn writers(&self) -> Option<Warning> {
        let known = |run: &Measured| match run.copied {
            0.0 => 1.0,
            // The sum of an empty iterator is -0.
            copied => (run.known / copied).min(1.0) + 0.0,
        };
        let least = self.all().map(known).fold(1.0, f64::min);
        let most = self.all().map(known).fold(0.0, f64::max);
        if most - least <= LIKE_KNOWN {
            return None;
        }
        let of = |side: &[Measured]| {
            let least = side.iter().map(known).fold(1.0, f64::min);
            let most = side.iter().map(known).fold(0.0, f64::max);
            let (least, most) = (percent(least), percent(most));
            if least == most {
                most
            } else {
                format!("{} to {most}", least.trim_end_matches(" %"))
            }
        };
        let (base, new) = (of(self.base), of(self.new));
        let mut warning = Warning {
            about: "known writers",
            text: if base == new {
                format!("known writers: of {base} of the copies on both sides")
            } else {
                format!("known writers: of {base} of the copies in BASE, {new} in NEW")
            },
        };
        if self.all().any(|run| run.copied > 0.0 && !run.has_writers()) {
            warning.text.push_str("; writers are not compared");
        }
        Some(warning)
    }

    fn lines(&self) -> Option<Warning> {
        let warning = self.differ("Python lines", |run| {
            let known = run.has_lines || run.copied == 0.0 || !run.has_writers();
            if known { "known" } else { "unknown" }.into()
        })?;
        Some(Warning {
            text: format!("{}; lines are not compared", warning.text),
            ..warning
        })
    }
}

fn listed(mut values: Vec<String>) -> String {
    let more = values.len().saturating_sub(MOST_VALUES);
    values.truncate(MOST_VALUES);
    let mut text = values.join(", ");
    if more > 0 {
        text = format!("{text} and {more} more");
    }
    text
}
