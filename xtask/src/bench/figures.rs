//! The table: figures, then the targets and whether they are reached.

use std::{fs, io::Write, thread};

use anyhow::{Context as _, Result};

use super::{
    Options,
    naming::Naming,
    rounds::{self, Rounds},
    statistics::{self, Summary},
    upkeep::Upkeep,
    variant::Variant,
};

/// Ratios of added costs with a limit: of what, to what, at most.
const RATIOS: [(&str, Variant, Variant, Option<f64>); 8] = [
    (
        "counting / empty programs",
        Variant::Counting,
        Variant::Empty,
        Some(1.5),
    ),
    (
        "counting / bpftrace",
        Variant::Counting,
        Variant::Bpftrace,
        Some(1.0 / 3.0),
    ),
    (
        "counting / perf record",
        Variant::Counting,
        Variant::PerfRecord,
        None,
    ),
    (
        "counting / perf trace",
        Variant::Counting,
        Variant::PerfTrace,
        None,
    ),
    (
        "other process / empty programs",
        Variant::Outsider,
        Variant::Empty,
        Some(1.3),
    ),
    (
        "with evidence / counting",
        Variant::Cowtrace,
        Variant::Counting,
        Some(1.4),
    ),
    (
        "CPython with types / counting",
        Variant::PythonTypes,
        Variant::PythonCounting,
        Some(1.6),
    ),
    (
        "CPython with lines / counting",
        Variant::PythonLines,
        Variant::PythonCounting,
        None,
    ),
];
/// At most this share of a core.
const CPU_SHARE: f64 = 0.02;
/// At most this much resident memory.
const PEAK_KIB: f64 = 64.0 * 1024.0;

/// For 10,000 places.
const NAMING_SECONDS: f64 = 2.0;
const NAMING_KIB: f64 = 128.0 * 1024.0;

/// The cost of a copied page.
pub(crate) fn costs(options: &Options, rounds: &Rounds, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{} interleaved rounds, best of {} samples of {} pages in each; processor time\n",
        options.rounds,
        rounds::SAMPLES,
        options.pages
    )?;
    writeln!(
        out,
        "{:<32} {:>12} {:>9}  {:>16}",
        "ns a copied page (medians)", "whole", "added", "middle half"
    )?;
    for variant in Variant::ALL {
        let whole = statistics::median(rounds.of(variant)).context("no rounds")?;
        write!(out, "{:<32} {whole:>12.0}", variant.title())?;
        if variant == variant.base() {
            writeln!(out)?;
            continue;
        }
        let added = added(rounds, variant)?;
        let half = format!("{:+.0} … {:+.0}", added.low_quartile, added.high_quartile);
        writeln!(out, " {:>+9.0}  {half:>16}", added.median)?;
    }
    writeln!(
        out,
        "\nWords around a write are read of CPython (--no-frames and more), never of the native program:\n\
         it was there before the trace, so it is known as native before its first copy."
    )?;
    losses(rounds, out)?;
    writeln!(out, "\n{:<32} {:>12} {:>9}", "added cost", "ratio", "goal")?;
    for (title, of, to, most) in RATIOS {
        let ratio = added(rounds, of)?.median / added(rounds, to)?.median;
        let figure = format!("{ratio:.2}");
        match most {
            Some(most) => goal(title, &figure, &format!("{most:.2}"), ratio <= most, out)?,
            None => writeln!(out, "{title:<32} {figure:>12}")?,
        }
    }
    Ok(())
}

/// How many of the copies those saw that may lose some. All others saw every copy, or there is no table.
fn losses(rounds: &Rounds, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "perf sees page faults, and not which of them copied; perf trace follows no children, so it watches the machine.\n\
         Least of the copies seen in a round (all others saw every one):"
    )?;
    for variant in Variant::ALL {
        if let Some(share) = rounds.least_seen(variant) {
            writeln!(out, "{:<32} {:>10.2} %", variant.title(), share * 100.0)?;
        }
    }
    Ok(())
}

/// The program's own cost.
pub(crate) fn upkeep(upkeep: &Upkeep, out: &mut impl Write) -> Result<()> {
    let title = format!("cowtrace, {} live ranges", upkeep.ranges);
    writeln!(out, "\n{title:<32} {:>12} {:>9}", "", "goal")?;
    goal(
        "share of a core, 1 drain/s",
        &format!("{:.2} %", upkeep.cpu_share * 100.0),
        &format!("{:.0} %", CPU_SHARE * 100.0),
        upkeep.cpu_share < CPU_SHARE,
        out,
    )?;
    let most = format!("{:.0} MiB", PEAK_KIB / 1024.0);
    for (title, kib) in [
        ("peak memory, tracing", upkeep.peak_kib),
        ("peak memory, with the report", upkeep.peak_with_report_kib),
    ] {
        let peak = format!("{:.1} MiB", kib as f64 / 1024.0);
        goal(title, &peak, &most, (kib as f64) < PEAK_KIB, out)?;
    }
    Ok(())
}

/// The cost of naming code.
pub(crate) fn naming(naming: &Naming, out: &mut impl Write) -> Result<()> {
    let title = format!("naming {} places", naming.places);
    writeln!(out, "\n{title:<32} {:>12} {:>9}", "", "goal")?;
    let seconds = naming.time.as_secs_f64();
    goal(
        "time",
        &format!("{seconds:.2} s"),
        &format!("{NAMING_SECONDS:.0} s"),
        seconds < NAMING_SECONDS,
        out,
    )?;
    goal(
        "peak memory",
        &format!("{:.1} MiB", naming.peak_kib as f64 / 1024.0),
        &format!("{:.0} MiB", NAMING_KIB / 1024.0),
        (naming.peak_kib as f64) < NAMING_KIB,
        out,
    )
}

/// What the variant adds to an untraced page in the same round.
fn added(rounds: &Rounds, variant: Variant) -> Result<Summary> {
    let base = rounds.of(variant.base());
    Summary::of(statistics::differences(rounds.of(variant), base)).context("no rounds")
}

pub(crate) fn goal(
    title: &str,
    figure: &str,
    most: &str,
    is_reached: bool,
    out: &mut impl Write,
) -> Result<()> {
    let word = if is_reached { "reached" } else { "missed" };
    writeln!(out, "{title:<32} {figure:>12} {most:>9}  {word}")?;
    Ok(())
}

/// The machine, and its load before the run: figures from a busy machine are poor.
pub(crate) fn machine() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_model(&model).unwrap_or(std::env::consts::ARCH);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "Linux {}, {cpus} CPUs, {model}, load {load} before",
        release.trim()
    )
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_cpuinfo() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\n";
        assert_eq!(cpu_model(cpuinfo), Some("Some CPU @ 2.00GHz"));
        assert_eq!(cpu_model(""), None);
    }

    #[test]
    fn a_goal_says_whether_it_is_reached() {
        let mut out = Vec::new();
        goal("share", "2.50 %", "2 %", false, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("2 %  missed\n"));
    }
}
