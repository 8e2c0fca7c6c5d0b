//! Runs a case under cowtrace and checks the counts against the table and the kernel's page tables.
//! It returns what is wrong instead of failing: the caller decides what that means.

mod growers;

use super::{Case, Writes, faults::Faults};
use crate::{
    report::{Counts, Report, number},
    tracer::Tracer,
    workload::{Workload, Writer},
};

/// What happened in a case, and what was counted.
pub struct Observation {
    /// By writing process, in the workload's order.
    pub writers: Vec<(Writer, Counts)>,
    /// cowtrace's whole report.
    pub report: Report,
    /// The costs of the case's processes.
    pub faults: Faults,
}

/// A case checked against the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The expected counts, for people.
    pub expected: String,
    /// The actual counts, for people.
    pub counted: String,
    /// What is wrong; empty if everything is right.
    pub faults: Vec<String>,
}

impl Case {
    /// Runs the case, traced by this backend or by the one that cowtrace chooses.
    #[must_use]
    pub fn observe(&self, backend: Option<&str>) -> Observation {
        let mut workload = Workload::prepare(self.name);
        // No case runs Python, and an emulated processor takes seconds to verify the walk of Python
        // frames. Once per backend shows that the kernel accepts it, and once with native stacks.
        let more: &[&str] = if !self.calls.is_empty() {
            &["--stacks"]
        } else if self.whole_run.is_some() {
            &[]
        } else {
            &["--no-frames"]
        };
        let tracer = Tracer::by(backend, workload.pid(), more);
        let (writers, faults) = workload.faults_of(Workload::writers);
        let report = tracer.stop();
        let counts = report.counts_in(workload.start, workload.end);
        workload.end();
        let counted = |writer: Writer| (writer, counts.get(&writer.pid).copied());
        Observation {
            writers: writers
                .into_iter()
                .map(counted)
                .map(|(writer, counts)| (writer, counts.unwrap_or_default()))
                .collect(),
            report,
            faults: Faults {
                traced: faults,
                untraced: self.faults_untraced(),
            },
        }
    }

    /// What this backend should count in it, for people.
    #[must_use]
    pub fn expectation(&self, backend: &str) -> String {
        if let Some((least, most)) = self.whole_run {
            return format!("{least} to {most} in all");
        }
        let (writers, source) = self.seen_by(backend);
        let counts = writers.iter().map(|writes| {
            let counts = Counts {
                copied: writes.copied,
                reused: writes.reused.unwrap_or(0),
            };
            (writes.role, counts)
        });
        told(counts, source)
    }

    /// Checks an observation against the table.
    #[must_use]
    pub fn judge(&self, seen: &Observation) -> Judged {
        let backend = seen.backend();
        let (writers, source) = self.seen_by(backend);
        let mut faults = self.wrong_losses(seen);
        faults.extend(wrong_writers(self, writers, seen));
        if self.truth && self.otherwise(backend).is_none() {
            faults.extend(self.wrong_truth(seen));
        }
        faults.extend(wrong_source(writers, source, seen));
        faults.extend(self.wrong_writers_told(seen));
        faults.extend(self.wrong_calls(seen));
        faults.extend(self.wrong_stores(seen));
        faults.extend(self.wrong_touches(seen));
        faults.extend(self.wrong_growers(seen));
        faults.extend(self.wrong_whole(seen));
        faults.extend(self.wrong_faults(seen));
        faults.extend(missing_objects(seen));
        if !faults.is_empty() {
            // Every loss, including those that do not affect counts: they may explain a failure.
            faults.push(format!("loss: {}", seen.report.0["loss"]));
        }
        let roles = writers.iter().map(|writes| writes.role);
        let counts = seen.writers.iter().map(|(_, counts)| *counts);
        Judged {
            expected: self.expectation(backend),
            counted: match self.whole_run {
                Some(_) => format!("{} in all", seen.copied()),
                None => told(roles.zip(counts), source),
            },
            faults,
        }
    }

    fn seen_by(&self, backend: &str) -> (&'static [Writes], &'static str) {
        self.otherwise(backend)
            .map_or((self.writers, self.source), |other| {
                (other.writers, other.source)
            })
    }

    /// Every loss except the one that the case allows.
    fn wrong_losses(&self, seen: &Observation) -> Vec<String> {
        let mut losses = seen.report.losses();
        // A child may exit before its code is examined: that does not affect counts.
        losses.retain(|cause, _| Some(cause.as_str()) != self.loss && cause != "code_gone");
        losses
            .iter()
            .map(|(cause, count)| format!("loss {cause}: {count}"))
            .collect()
    }

    /// More copies than expected that the report itself marks as uncertain.
    fn tolerance(&self, seen: &Observation) -> u64 {
        let uncertain = self.loss.filter(|_| self.loss_may_be_copies);
        uncertain
            .and_then(|cause| seen.report.losses().get(cause).copied())
            .unwrap_or(0)
    }

    /// Compares copies with page frames that changed.
    fn wrong_truth(&self, seen: &Observation) -> Vec<String> {
        let tolerance = self.tolerance(seen);
        let wrong = |(writer, counts): &&(Writer, Counts)| {
            !(writer.changed..=writer.changed + tolerance).contains(&counts.copied)
        };
        let text = |(writer, counts): &(Writer, Counts)| {
            let (changed, copied) = (writer.changed, counts.copied);
            format!("pagemap shows {changed} changed frames, {copied} counted")
        };
        seen.writers.iter().filter(wrong).map(text).collect()
    }

    /// Each copy has a writer, and the program itself is the writer of what it wrote. If a thread
    /// loses a race, its copy is subtracted, but its writer stays.
    fn wrong_writers_told(&self, seen: &Observation) -> Option<String> {
        let told = seen.report.written(|_| true);
        let by_program = seen.report.written(|writer| writer["module"] == "workload");
        let copied = seen.copied();
        let of_itself: u64 = match self.name {
            "child-writes" | "three-children" => seen.writers.iter().map(|(w, _)| w.written).sum(),
            _ => 0,
        };
        let sums = if self.loss.is_some() {
            told >= copied
        } else {
            told == copied
        };
        (!sums || by_program < of_itself).then(|| {
            format!("writers of {told} of {copied} copies, {by_program} by the program itself")
        })
    }

    /// Native stacks that begin with the known calls.
    fn wrong_calls(&self, seen: &Observation) -> Option<String> {
        if self.calls.is_empty() {
            return None;
        }
        let written: u64 = seen.writers.iter().map(|(writer, _)| writer.written).sum();
        let told = seen.report.written(|writer| {
            let frames = writer["native"].as_array().map_or(&[][..], Vec::as_slice);
            frames.len() >= self.calls.len()
                && self
                    .calls
                    .iter()
                    .zip(frames)
                    .all(|(name, frame)| frame["function"] == *name)
        });
        (told != written).then(|| format!("native stacks of {told} of {written} copies"))
    }

    /// What the child's instructions did: they write what the parent wrote. Known from Linux 6.2 on.
    fn wrong_stores(&self, seen: &Observation) -> Option<String> {
        if self.name != "child-writes" {
            return None;
        }
        let written: u64 = seen.writers.iter().map(|(writer, _)| writer.written).sum();
        let of_program = |does: &str| {
            let report = &seen.report;
            report.written(|it| it["module"] == "workload" && it["store"] == does)
        };
        let same = of_program("same");
        let expected = if seen.report.kernel() < (6, 2) {
            0
        } else {
            written
        };
        (same < expected || (expected == 0 && same > 0))
            .then(|| format!("{same} of {written} copies stored what was there"))
    }

    /// Where the tracepoints see new memory without an address, its kind is not known.
    fn kind_told(&self, kind: &'static str, seen: &Observation) -> &'static str {
        let is_unknown = self.name == "touch-populate" && seen.backend() == "tracepoint";
        if is_unknown { "unknown" } else { kind }
    }

    /// New memory of the first writer: all of it, and of the right kind where the backend knows that.
    fn wrong_touches(&self, seen: &Observation) -> Option<String> {
        let (kind, pages) = self.touched?;
        let (writer, _) = seen.writers.first()?;
        let mut processes = seen.report.processes().iter();
        let process = processes.find(|process| process["pid"] == writer.pid)?;
        let kind = self.kind_told(kind, seen);
        let touched = number(process, "touched_pages");
        let by_kind = &process["touched_by_kind"];
        let is_right = touched == pages && by_kind[kind].as_u64().unwrap_or(0) == pages;
        (!is_right).then(|| format!("touched {by_kind}, not {pages} {kind}"))
    }

    fn wrong_whole(&self, seen: &Observation) -> Option<String> {
        let (least, most) = self.whole_run?;
        let copied = seen.copied();
        (!(least..=most).contains(&copied)).then(|| format!("{copied} copies in all"))
    }
}

fn wrong_writers(case: &Case, expected: &[Writes], seen: &Observation) -> Vec<String> {
    if expected.len() != seen.writers.len() {
        let (told, known) = (seen.writers.len(), expected.len());
        return vec![format!("the workload tells {told} writers, not {known}")];
    }
    let tolerance = case.tolerance(seen);
    let fits = |writes: &Writes, writer: Writer, mut counts: Counts| {
        if writes.copied == 0 && counts.copied == writer.changed.min(case.real_copies) {
            counts.reused += counts.copied;
            counts.copied = 0;
        }
        (writes.copied..=writes.copied + tolerance).contains(&counts.copied)
            && writes.reused.is_none_or(|reused| reused == counts.reused)
    };
    expected
        .iter()
        .zip(&seen.writers)
        .filter(|(writes, (writer, counts))| !fits(writes, *writer, *counts))
        .map(|(writes, (_, counts))| {
            let Counts { copied, reused } = *counts;
            format!("{}: {copied} copied, {reused} reused", writes.role)
        })
        .collect()
}

/// Outside a case's memory, fork and libc copy only inherited memory.
fn wrong_source(expected: &[Writes], source: &str, seen: &Observation) -> Option<String> {
    let copied: u64 = expected.iter().map(|writes| writes.copied).sum();
    let told = seen.report.by_source(source);
    let fits = if source == "anon" {
        told >= copied
    } else {
        told == copied
    };
    (!fits).then(|| format!("by source: {}", seen.report.0["totals"]["by_source"]))
}

/// On every kernel of the tests, cowtrace must find the kernel's mapping of physical memory,
/// through which it reads the words around a write (docs/kernel.md).
fn missing_objects(seen: &Observation) -> Option<String> {
    let unseen = seen.report.0["run"]["backend_unseen"].as_array()?;
    let is_blind = unseen
        .iter()
        .any(|what| what == "which objects were written");
    is_blind.then(|| "the kernel's mapping of memory was not found".to_owned())
}

impl Observation {
    /// The backend that counted.
    ///
    /// # Panics
    /// If the report does not say.
    #[must_use]
    pub fn backend(&self) -> &str {
        let backend = &self.report.0["run"]["backend"];
        backend.as_str().expect("the report tells the backend")
    }

    fn copied(&self) -> u64 {
        number(&self.report.0["totals"], "copied_pages")
    }
}

/// `1000`, `0 (1000 reused)`, `parent 1000, child 0`, `1000 zero`.
fn told<'a>(counts: impl ExactSizeIterator<Item = (&'a str, Counts)>, source: &str) -> String {
    let several = counts.len() > 1;
    let words = counts.map(|(role, counts)| {
        let role = if several {
            format!("{role} ")
        } else {
            String::new()
        };
        let reused = match counts.reused {
            0 => String::new(),
            reused => format!(" ({reused} reused)"),
        };
        format!("{role}{}{reused}", counts.copied)
    });
    let text = words.collect::<Vec<_>>().join(", ");
    match source {
        "anon" => text,
        source => format!("{text} {source}"),
    }
}

#[cfg(test)]
mod tests;
