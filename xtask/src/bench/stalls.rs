//! Whether a trace delays the traced service: the longest mmap and munmap of a busy master with 4
//! GiB in one mapping, with and without a trace. The master forks and grows, so that its pages are
//! counted again.

use std::{io::Write, path::Path, time::Duration};

use anyhow::{Context as _, Result};

use super::{statistics, upkeep, variant, workload::Workload};
use crate::say;

/// Pages of the master: 4 GiB.
const PAGES: u32 = 1 << 20;
const GIB: f64 = PAGES as f64 * 4096.0 / (1u64 << 30) as f64;
/// Rounds, each once without a trace and once with one.
const ROUNDS: usize = 5;
const SECONDS: u64 = 10;

/// What the master did in one period.
struct Window {
    forks: u64,
    calls: u64,
    /// Calls that took over 1 ms.
    long: u64,
    longest: Duration,
    /// cowtrace's own processor time.
    processor_time: Duration,
}

/// Measures, and prints the result.
pub(crate) fn run(binaries: &Path, out: &mut impl Write) -> Result<()> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut workload = Workload::start(binaries, "stalls", PAGES)?;
    for round in 1..=ROUNDS {
        say(&format!(
            "mmap and munmap of a busy master, round {round}/{ROUNDS}"
        ));
        without.push(window(&mut workload, None)?);
        with.push(window(&mut workload, Some(binaries))?);
    }
    writeln!(
        out,
        "\nmmap and munmap of a busy master of {GIB:.0} GiB, {ROUNDS} interleaved rounds of {SECONDS} s; \
         not while it forks or unmaps 128 MiB itself\n"
    )?;
    writeln!(
        out,
        "{:<12} {:>9} {:>11} {:>22} {:>9}",
        "", "calls", "over 1 ms", "longest (median)", "worst"
    )?;
    row("untraced", &without, out)?;
    row("traced", &with, out)?;
    let each: Vec<f64> = with.iter().map(Window::milliseconds_a_fork).collect();
    let each = statistics::median(&each).context("no rounds")?;
    writeln!(
        out,
        "cowtrace's processor time: {each:.0} ms a fork, {:.0} ms a GiB counted",
        each / GIB
    )?;
    Ok(())
}

fn row(title: &str, windows: &[Window], out: &mut impl Write) -> Result<()> {
    let milliseconds = |window: &Window| window.longest.as_secs_f64() * 1e3;
    let longest: Vec<f64> = windows.iter().map(milliseconds).collect();
    let median = statistics::median(&longest).context("no rounds")?;
    let worst = longest.iter().copied().fold(0.0, f64::max);
    let calls: u64 = windows.iter().map(|window| window.calls).sum();
    let long: u64 = windows.iter().map(|window| window.long).sum();
    writeln!(
        out,
        "{title:<12} {calls:>9} {long:>11} {median:>19.2} ms {worst:>6.2} ms"
    )?;
    Ok(())
}

fn window(workload: &mut Workload, traced_by: Option<&Path>) -> Result<Window> {
    let tracer = traced_by
        .map(|binaries| variant::trace(&binaries.join("cowtrace"), workload.pid(), &[]))
        .transpose()?;
    let time = || {
        tracer
            .as_ref()
            .map_or(Ok(Duration::ZERO), |it| upkeep::cpu_time(it.pid()))
    };
    let before = time()?;
    let answer = workload.ask(&SECONDS.to_string())?;
    let processor_time = time()?.saturating_sub(before);
    let window = parse(&answer, processor_time)
        .with_context(|| format!("the workload said {answer:?}, not how long its calls took"))?;
    if let Some(tracer) = tracer {
        tracer.finish()?;
    }
    Ok(window)
}

fn parse(answer: &str, processor_time: Duration) -> Option<Window> {
    let mut numbers = answer.split(' ').map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    Some(Window {
        forks: number()?,
        calls: number()?,
        long: number()?,
        longest: Duration::from_nanos(number()?),
        processor_time,
    })
}

impl Window {
    fn milliseconds_a_fork(&self) -> f64 {
        self.processor_time.as_secs_f64() * 1e3 / self.forks.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_master_says_is_understood() {
        let window = parse("20 1000 3 2500000", Duration::from_secs(1)).unwrap();
        assert_eq!((window.forks, window.calls, window.long), (20, 1000, 3));
        assert_eq!(window.longest, Duration::from_micros(2500));
        assert!((window.milliseconds_a_fork() - 50.0).abs() < 1e-9);
        assert!(parse("20 1000", Duration::ZERO).is_none());
    }
}
