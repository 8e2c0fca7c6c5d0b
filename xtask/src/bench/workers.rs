//! What a trace costs with many workers, each of which copies pages in ranges of its own.

use std::{
    io::Write,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{statistics, upkeep, variant, workload::Workload};
use crate::say;

/// The master and its workers.
const SCRIPT: &str = include_str!("workers.py");
/// How many workers, from run to run.
const WORKERS: [u32; 5] = [10, 100, 300, 1_000, 3_000];
/// Pages that each worker copies. The most workers of these have 192,000 ranges, which is nearly what the histogram
/// holds.
const PAGES: u32 = 64;
/// How long a trace is watched after its workers have written.
const WATCHED: Duration = Duration::from_secs(5);
/// Rounds: each takes a minute.
const MOST_ROUNDS: u32 = 5;
/// Memory of a worker of CPython, and what is left for others, KiB.
const WORKER_KIB: u64 = 1_500;
const LEFT_KIB: u64 = 2 << 20;
/// Characters of the longest bar.
const BAR: f64 = 50.0;

/// What one trace cost.
#[derive(Clone, Copy)]
struct Cost {
    /// From the program's start until its hooks are on, ms.
    attach_ms: f64,
    /// Processor time by then, and from then until some seconds after the workers have written, ms.
    attach_cpu_ms: f64,
    trace_cpu_ms: f64,
    /// Most memory by then, MiB.
    peak_mib: f64,
    /// From the signal to the finished report, ms.
    end_ms: f64,
}

/// What is shown of each, with its name.
type Figure = (&'static str, fn(&Cost) -> f64);

const FIGURES: [Figure; 5] = [
    ("attach, ms", |it| it.attach_ms),
    ("attach, ms of CPU", |it| it.attach_cpu_ms),
    ("trace, ms of CPU", |it| it.trace_cpu_ms),
    ("peak, MiB", |it| it.peak_mib),
    ("end, ms", |it| it.end_ms),
];

/// Measures, and prints a table and a plot.
pub(crate) fn run(binaries: &Path, rounds: u32, out: &mut impl Write) -> Result<()> {
    let rounds = rounds.min(MOST_ROUNDS);
    let numbers: Vec<u32> = WORKERS.into_iter().filter(|it| fits(*it)).collect();
    let mut costs = vec![Vec::new(); numbers.len()];
    for round in 1..=rounds {
        for (&workers, costs) in numbers.iter().zip(&mut costs) {
            say(&format!("{workers} workers, round {round}/{rounds}"));
            costs.push(measure(binaries, workers)?);
        }
    }
    writeln!(
        out,
        "\nMany workers of a master with 64 MiB, each copies {PAGES} pages in ranges of its own; medians of {rounds} rounds"
    )?;
    for number in WORKERS.iter().filter(|it| !numbers.contains(it)) {
        writeln!(out, "{number} workers: not measured, for want of memory")?;
    }
    table(&numbers, &costs, out)?;
    plot(&numbers, &costs, out)
}

/// Whether there is memory for so many workers.
fn fits(workers: u32) -> bool {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.is_none_or(|kib| u64::from(workers) * WORKER_KIB + LEFT_KIB <= kib)
}

fn measure(binaries: &Path, workers: u32) -> Result<Cost> {
    let mut command = Command::new("python3");
    let mut master = Workload::begin(command.args(["-c", SCRIPT, &PAGES.to_string()]))?;
    master.ask(&workers.to_string())?;
    let begun = Instant::now();
    let cowtrace = binaries.join("cowtrace");
    let tracer = variant::trace_as("json", &cowtrace, master.pid(), &["--no-histogram"])?;
    let attach_ms = ms(begun.elapsed());
    let attach_cpu_ms = ms(upkeep::cpu_time(tracer.pid())?);
    master.ask("write")?;
    thread::sleep(WATCHED);
    let trace_cpu_ms = ms(upkeep::cpu_time(tracer.pid())?) - attach_cpu_ms;
    let peak = upkeep::peak_kib(tracer.pid()).context("/proc does not tell cowtrace's memory")?;
    let begun = Instant::now();
    let report = tracer.finish()?;
    let end_ms = ms(begun.elapsed());
    master.ask("end")?;
    let copied = copied_pages(&report).context("the report has no total")?;
    let written = u64::from(workers) * u64::from(PAGES);
    if copied < written {
        bail!("cowtrace counted {copied} copies of {written}: its cost would say nothing");
    }
    Ok(Cost {
        attach_ms,
        attach_cpu_ms,
        trace_cpu_ms,
        peak_mib: peak as f64 / 1024.0,
        end_ms,
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The first total of a report.
fn copied_pages(report: &str) -> Option<u64> {
    let (_, totals) = report.split_once("\"totals\"")?;
    let (_, after) = totals.split_once("\"copied_pages\":")?;
    let after = after.trim_start();
    let digits = after.find(|it: char| !it.is_ascii_digit())?;
    after[..digits].parse().ok()
}

fn median(costs: &[Cost], of: fn(&Cost) -> f64) -> Result<f64> {
    let figures: Vec<f64> = costs.iter().map(of).collect();
    statistics::median(&figures).context("no rounds")
}

fn table(numbers: &[u32], costs: &[Vec<Cost>], out: &mut impl Write) -> Result<()> {
    write!(out, "\n| workers | ranges |")?;
    for (title, _) in FIGURES {
        write!(out, " {title} |")?;
    }
    writeln!(out, "\n|{}", "---|".repeat(FIGURES.len() + 2))?;
    for (&workers, costs) in numbers.iter().zip(costs) {
        write!(out, "| {workers} | {} |", workers * PAGES)?;
        for (_, of) in FIGURES {
            write!(out, " {:.0} |", median(costs, of)?)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Bars in proportion to the figures.
fn plot(numbers: &[u32], costs: &[Vec<Cost>], out: &mut impl Write) -> Result<()> {
    for (title, of) in FIGURES {
        writeln!(out, "\n{title}")?;
        let medians = costs.iter().map(|costs| median(costs, of));
        let medians: Vec<f64> = medians.collect::<Result<_>>()?;
        let most = medians.iter().copied().fold(0.0, f64::max);
        for (workers, figure) in numbers.iter().zip(&medians) {
            writeln!(out, "{workers:>6} {} {figure:.0}", bar(*figure, most))?;
        }
    }
    Ok(())
}

fn bar(figure: f64, most: f64) -> String {
    let share = if most > 0.0 { figure / most } else { 0.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a few characters"
    )]
    let length = (share * BAR).round() as usize;
    "█".repeat(length.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_figure() {
        assert_eq!(bar(10.0, 10.0).chars().count(), 50);
        assert_eq!(bar(5.0, 10.0).chars().count(), 25);
        assert_eq!(bar(0.0, 0.0), "█", "something is there");
    }

    #[test]
    fn the_total_of_a_report_is_found() {
        let report = r#"{"totals": {"copied_pages": 64000, "copied_bytes": 1}}"#;
        assert_eq!(copied_pages(report), Some(64_000));
        assert_eq!(copied_pages("{}"), None);
    }
}
