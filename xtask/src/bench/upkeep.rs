//! The program's own cost while it drains a histogram with many live ranges: processor time and
//! memory, from /proc (proc(5)).

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{tracer::Tracer, variant, workload::Workload};
use crate::say;

/// Number of ranges of one page, each with a copy.
const RANGES: u32 = 100_000;
/// Time between drains.
const INTERVAL: &str = "1s";
/// Long enough to measure 0.1 % with the clock's ticks.
const WINDOW: Duration = Duration::from_secs(20);
/// Time until the copies themselves are drained and counted.
const SETTLING: Duration = Duration::from_secs(3);
/// `USER_HZ`, the unit of /proc, whatever the kernel's own clock is.
const TICKS_PER_SECOND: f64 = 100.0;

/// The cost.
pub(crate) struct Upkeep {
    pub(crate) ranges: usize,
    /// Share of one core.
    pub(crate) cpu_share: f64,
    /// Highest resident memory while tracing.
    pub(crate) peak_kib: u64,
    /// The same, including the making of the report.
    pub(crate) peak_with_report_kib: u64,
}

/// Traces a worker that holds its copies.
pub(crate) fn measure(binaries: &Path) -> Result<Upkeep> {
    say(&format!("{RANGES} live ranges for {} s", WINDOW.as_secs()));
    let mut workload = Workload::start(binaries, "hold", RANGES)?;
    let options = ["--range", "4KiB", "--interval", INTERVAL];
    let mut tracer = variant::trace(&binaries.join("cowtrace"), workload.pid(), &options)?;
    workload.go_on()?;
    workload.expect("held")?;
    thread::sleep(SETTLING);
    let cpu_share = cpu_share(tracer.pid())?;
    let peak_kib = peak_kib(tracer.pid()).context("/proc does not tell cowtrace's memory")?;
    tracer.end()?;
    let peak_with_report_kib = peak_until_gone(&mut tracer)?.max(peak_kib);
    let histogram = variant::histogram(&tracer.into_output()?)?;
    if histogram.ranges < RANGES as usize {
        bail!(
            "cowtrace told {} live ranges of {RANGES}: its cost would say nothing",
            histogram.ranges
        );
    }
    Ok(Upkeep {
        ranges: histogram.ranges,
        cpu_share,
        peak_kib,
        peak_with_report_kib,
    })
}

/// Share of a core over this period.
pub(crate) fn cpu_share(pid: u32) -> Result<f64> {
    let begun = Instant::now();
    let before = cpu_ticks(pid)?;
    thread::sleep(WINDOW);
    let ticks = cpu_ticks(pid)?.saturating_sub(before);
    Ok(ticks as f64 / TICKS_PER_SECOND / begun.elapsed().as_secs_f64())
}

/// Processor time of a process.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let seconds = cpu_ticks(pid)? as f64 / TICKS_PER_SECOND;
    Ok(Duration::from_secs_f64(seconds))
}

fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(of_process(pid, "stat")).context("cowtrace has ended")?;
    ticks_of(&stat).context("/proc/PID/stat has no times")
}

/// Fields 14 and 15, user and system time. The name in field 2 may contain anything, so counting
/// begins after its closing bracket.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// An exited process has no memory to report, so it is read until then.
fn peak_until_gone(tracer: &mut Tracer) -> Result<u64> {
    let mut peak = 0;
    while !tracer.is_gone()? {
        peak = peak.max(peak_kib(tracer.pid()).unwrap_or(0));
        thread::sleep(Duration::from_millis(2));
    }
    Ok(peak)
}

/// Highest resident memory of a process so far.
pub(crate) fn peak_kib(pid: u32) -> Option<u64> {
    peak_of(&fs::read_to_string(of_process(pid, "status")).ok()?)
}

/// The line `VmHWM:`, in kibibytes, which it calls kB.
fn peak_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn of_process(pid: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 1 0 999 1 1";
        assert_eq!(ticks_of(stat), Some(12));
        assert_eq!(ticks_of("42 (a"), None);
    }

    #[test]
    fn the_peak_is_read_from_status() {
        assert_eq!(
            peak_of("Name:\tcowtrace\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"),
            Some(12_345)
        );
        assert_eq!(peak_of("Name:\tkthreadd\n"), None);
    }
}
