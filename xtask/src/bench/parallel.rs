//! Writers on many processors at once: whether what tracing adds to a copy stays the same, and whether all evidence
//! of who wrote is kept.

use std::{io::Write, path::Path, thread};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    figures,
    statistics::{self, Summary},
    variant,
    workload::Workload,
};
use crate::say;

/// Samples of a variant in a round; the fastest counts.
const SAMPLES: u32 = 3;
/// Pages that each writer writes in a sample, for each page of the other parts' samples: so it takes longer than the
/// time between two readings of the evidence.
pub(crate) const PAGES_FACTOR: u32 = 4;
/// Target: what evidence adds, as a multiple of what counting adds.
const MOST_ADDED: f64 = 1.5;
/// Throughput with evidence is at least this share of that of counting.
const LEAST_THROUGHPUT: f64 = 0.9;

/// What is compared, by title and options; nothing is traced without options.
const VARIANTS: [(&str, Option<&[&str]>); 3] = [
    ("untraced", None),
    ("counting", Some(&["--no-writers"])),
    ("with evidence", Some(&[])),
];
const UNTRACED: usize = 0;
const COUNTING: usize = 1;
const EVIDENCE: usize = 2;

/// What was measured of a variant with some number of writers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    /// Processor time of a copied page, ns.
    nanoseconds: f64,
    /// Pages a second of all writers together.
    throughput: f64,
    /// Copies whose evidence was lost, of all copies.
    lost: f64,
}

/// The rounds of a number of writers, by variant.
type Rounds = [Vec<Figures>; VARIANTS.len()];

/// Measures, and prints the table.
pub(crate) fn run(binaries: &Path, pages: u32, rounds: u32, out: &mut impl Write) -> Result<()> {
    let pages = pages.saturating_mul(PAGES_FACTOR);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let numbers = numbers_of_writers(processors);
    let mut workload = Workload::start(binaries, "parallel", pages)?;
    let mut measured: Vec<Rounds> = numbers.iter().map(|_| Rounds::default()).collect();
    for round in 0..rounds as usize {
        for (&writers, of_writers) in numbers.iter().zip(&mut measured) {
            for place in 0..VARIANTS.len() {
                let variant = (place + round) % VARIANTS.len();
                let figures = visit(binaries, &mut workload, writers, pages, variant)
                    .with_context(|| format!("{}, {writers} writers", VARIANTS[variant].0))?;
                of_writers[variant].push(figures);
            }
        }
        say(&format!("parallel writers, round {}/{rounds}", round + 1));
    }
    print(&numbers, &measured, pages, rounds, out)
}

/// 1, 2, 4 … and all processors.
fn numbers_of_writers(processors: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1), |number| Some(number * 2));
    let mut numbers: Vec<usize> = doubled.take_while(|&number| number < processors).collect();
    numbers.push(processors);
    numbers
}

fn visit(
    binaries: &Path,
    workload: &mut Workload,
    writers: usize,
    pages: u32,
    variant: usize,
) -> Result<Figures> {
    let cowtrace = binaries.join("cowtrace");
    let tracer = match VARIANTS[variant].1 {
        Some(options) => Some(variant::trace_as(
            "json",
            &cowtrace,
            workload.pid(),
            options,
        )?),
        None => None,
    };
    let mut figures = Figures {
        nanoseconds: f64::INFINITY,
        throughput: 0.0,
        lost: 0.0,
    };
    for _ in 0..SAMPLES {
        let answer = workload.ask(&writers.to_string())?;
        let (nanoseconds, throughput) = sample_of(&answer)
            .with_context(|| format!("the workload said {answer:?}, not how fast it was"))?;
        figures.nanoseconds = figures.nanoseconds.min(nanoseconds);
        figures.throughput = figures.throughput.max(throughput);
    }
    if let Some(tracer) = tracer {
        let copies = u64::from(SAMPLES) * writers as u64 * u64::from(pages);
        figures.lost = lost_share(&tracer.finish()?, copies)?;
    }
    Ok(figures)
}

/// Nanoseconds a page and pages a second.
fn sample_of(answer: &str) -> Option<(f64, f64)> {
    let (nanoseconds, throughput) = answer.split_once(' ')?;
    Some((nanoseconds.parse().ok()?, throughput.parse().ok()?))
}

/// The share of the copies whose evidence was lost. Fails if the trace did not see them all.
fn lost_share(report: &str, copies: u64) -> Result<f64> {
    let run: Value = serde_json::from_str(report).context("cowtrace's JSON")?;
    let number = |pointer: &str| {
        run.pointer(pointer)
            .and_then(Value::as_u64)
            .with_context(|| format!("cowtrace's JSON has no number {pointer}"))
    };
    let seen = number("/totals/copied_pages")?;
    ensure!(seen >= copies, "only {seen} copies of {copies} were seen");
    Ok(number("/loss/writers_full")? as f64 / seen as f64)
}

/// The middle of a variant's rounds.
fn median(rounds: &[Figures], of: impl Fn(&Figures) -> f64) -> Result<f64> {
    let figures: Vec<f64> = rounds.iter().map(of).collect();
    statistics::median(&figures).context("no rounds")
}

fn print(
    numbers: &[usize],
    measured: &[Rounds],
    pages: u32,
    rounds: u32,
    out: &mut impl Write,
) -> Result<()> {
    writeln!(
        out,
        "\nWriters in processes of their own, {pages} pages each: {rounds} interleaved rounds, best of {SAMPLES} \
         samples in each\n\n\
         {:<8} {:>14} {:>10} {:>9} {:>15} {:>7} {:>9} {:>15} {:>7} {:>6}",
        "writers",
        "untraced ns",
        "M pages/s",
        "counting",
        "middle half",
        "M p/s",
        "evidence",
        "middle half",
        "M p/s",
        "lost"
    )?;
    for (writers, rounds) in numbers.iter().zip(measured) {
        let nanoseconds = median(&rounds[UNTRACED], |it| it.nanoseconds)?;
        write!(
            out,
            "{writers:<8} {nanoseconds:>14.0} {:>10.2}",
            millions(&rounds[UNTRACED])?
        )?;
        for variant in [COUNTING, EVIDENCE] {
            let added = added(rounds, variant)?;
            let half = format!("{:+.0} … {:+.0}", added.low_quartile, added.high_quartile);
            let rate = millions(&rounds[variant])?;
            write!(out, " {:>+9.0} {half:>15} {rate:>7.2}", added.median)?;
        }
        let lost = median(&rounds[EVIDENCE], |it| it.lost)?;
        writeln!(out, " {:>5.1}%", lost * 100.0)?;
    }
    writeln!(out)?;
    for (writers, rounds) in numbers.iter().zip(measured) {
        let ratio = added(rounds, EVIDENCE)?.median / added(rounds, COUNTING)?.median;
        figures::goal(
            &format!("evidence / counting, {writers} writers"),
            &format!("{ratio:.2}"),
            &format!("{MOST_ADDED:.2}"),
            ratio <= MOST_ADDED,
            out,
        )?;
    }
    let all = measured.last().context("no writers")?;
    let share = millions(&all[EVIDENCE])? / millions(&all[COUNTING])?;
    figures::goal(
        "throughput of both, all writers",
        &format!("{share:.2}"),
        &format!("{LEAST_THROUGHPUT:.2}"),
        share >= LEAST_THROUGHPUT,
        out,
    )
}

/// Million pages a second.
fn millions(rounds: &[Figures]) -> Result<f64> {
    median(rounds, |it| it.throughput / 1e6)
}

/// What a variant adds to an untraced copy, ns.
fn added(rounds: &Rounds, variant: usize) -> Result<Summary> {
    let figures =
        |variant: usize| -> Vec<f64> { rounds[variant].iter().map(|it| it.nanoseconds).collect() };
    Summary::of(statistics::differences(
        &figures(variant),
        &figures(UNTRACED),
    ))
    .context("no rounds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_double_up_to_all_processors() {
        assert_eq!(numbers_of_writers(1), [1]);
        assert_eq!(numbers_of_writers(2), [1, 2]);
        assert_eq!(numbers_of_writers(12), [1, 2, 4, 8, 12]);
        assert_eq!(numbers_of_writers(16), [1, 2, 4, 8, 16]);
    }

    #[test]
    fn a_trace_that_missed_copies_is_not_measured() {
        let report = r#"{"totals":{"copied_pages":200},"loss":{"writers_full":50}}"#;
        assert!((lost_share(report, 200).unwrap() - 0.25).abs() < 1e-9);
        assert!(lost_share(report, 201).is_err());
        assert!(lost_share("{}", 0).is_err());
    }

    #[test]
    fn a_sample_is_read() {
        assert_eq!(sample_of("2100.5 480000"), Some((2100.5, 480_000.0)));
        assert_eq!(sample_of("2100.5"), None);
    }
}
