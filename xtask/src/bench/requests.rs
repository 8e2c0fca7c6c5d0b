//! What a trace takes from a Tornado service whose workers copy all the time: requests a second, and the time within
//! which 99 of 100 are answered.

use std::{io::Write, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    statistics::{self, Summary},
    variant,
    workload::Workload,
};
use crate::{say, services};

/// The service and its client.
const SCRIPT: &str = include_str!("requests.py");
/// Requests in each window: some five seconds. In the first of them most of the memory is copied.
const REQUESTS: u32 = 40_000;

/// How the service did with some requests.
struct Window {
    per_second: f64,
    /// Microseconds.
    p99: f64,
}

/// Measures, and prints the result.
pub(crate) fn run(binaries: &Path, rounds: u32, out: &mut impl Write) -> Result<()> {
    let packages = services::ensure()?;
    let script = |arguments: &[&str]| {
        let mut command = Command::new("python3");
        command
            .args(["-c", SCRIPT])
            .args(arguments)
            .env("PYTHONPATH", &packages);
        Workload::begin(&mut command)
    };
    let mut service = script(&[])?;
    let port = service.ask("port")?;
    let mut client = script(&[&port, &REQUESTS.to_string()])?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // The first window has everything to load.
    window(&mut service, &mut client, None)?;
    for round in 1..=rounds {
        say(&format!(
            "requests to a Tornado service, round {round}/{rounds}"
        ));
        let mut measure = |traced_by| window(&mut service, &mut client, traced_by);
        // In turns, so that neither is always the first.
        if round % 2 == 0 {
            without.push(measure(None)?);
            with.push(measure(Some(binaries))?);
        } else {
            with.push(measure(Some(binaries))?);
            without.push(measure(None)?);
        }
    }
    writeln!(
        out,
        "\nRequests to a Tornado service of two workers that are forked anew for each window of {REQUESTS} requests, \
         {rounds} interleaved rounds; medians, and the middle half of paired ratios\n"
    )?;
    writeln!(
        out,
        "{:<20} {:>12} {:>12} {:>22}",
        "", "untraced", "traced", "traced / untraced"
    )?;
    row(
        "requests a second",
        &without,
        &with,
        |it| it.per_second,
        out,
    )?;
    row("p99, µs", &without, &with, |it| it.p99, out)
}

fn row(
    title: &str,
    without: &[Window],
    with: &[Window],
    of: fn(&Window) -> f64,
    out: &mut impl Write,
) -> Result<()> {
    let figures = |windows: &[Window]| windows.iter().map(of).collect::<Vec<f64>>();
    let (without, with) = (figures(without), figures(with));
    let ratios = with
        .iter()
        .zip(&without)
        .map(|(with, without)| with / without);
    let Summary {
        median,
        low_quartile,
        high_quartile,
    } = Summary::of(ratios).context("no rounds")?;
    let middle = |figures: &[f64]| statistics::median(figures).context("no rounds");
    writeln!(
        out,
        "{title:<20} {:>12.0} {:>12.0} {median:>8.3} ({low_quartile:.3} to {high_quartile:.3})",
        middle(&without)?,
        middle(&with)?
    )?;
    Ok(())
}

/// Has the client send its requests to new workers.
fn window(
    service: &mut Workload,
    client: &mut Workload,
    traced_by: Option<&Path>,
) -> Result<Window> {
    let tracer = traced_by
        .map(|binaries| variant::trace(&binaries.join("cowtrace"), service.pid(), &[]))
        .transpose()?;
    service.ask("fork")?;
    let answer = client.ask("")?;
    service.ask("end")?;
    if let Some(tracer) = tracer {
        tracer.finish()?;
    }
    parse(&answer).with_context(|| format!("the client said {answer:?}, not how it was served"))
}

fn parse(answer: &str) -> Option<Window> {
    let (per_second, p99) = answer.trim().split_once(' ')?;
    Some(Window {
        per_second: per_second.parse().ok()?,
        p99: p99.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_says_is_understood() {
        let window = parse("4043.6 15553.9\n").unwrap();
        assert!((window.per_second - 4043.6).abs() < 1e-9 && (window.p99 - 15553.9).abs() < 1e-9);
        assert!(parse("4043.6").is_none());
    }
}
