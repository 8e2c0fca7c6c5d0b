//! What counting first touches of new memory adds to counting copies alone: the time that the kernel measures in
//! the hooks themselves (`kernel.bpf_stats_enabled`). It varies far less than the processor time of the process.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{statistics, variant, workload::Workload};
use crate::say;

/// Pages of a sample: a few milliseconds, so that most samples fit between other work.
const PAGES: u32 = 4_096;
/// Samples of a variant in a round; the fastest counts.
const SAMPLES: u32 = 40;
const ROUNDS: usize = 5;
/// Other processes' runs of a hook are cheaper and lower the average: at most this share of a sample.
const FOREIGN_RUNS: f64 = 0.05;
/// Hooks of a first touch.
const HOOKS: [&str; 2] = ["page_fault_user", "mm_page_alloc"];
/// Counting first touches adds at most this, ns.
const MOST_NS: f64 = 40.0;
/// The kernel's switch for measuring programs.
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What is compared, by title and options.
const VARIANTS: [(&str, &[&str]); 4] = [
    ("copies alone", &["--no-writers", "--__no-touches"]),
    ("first touches too", &["--no-writers"]),
    ("evidence of copies alone", &["--__no-touches"]),
    ("evidence of both", &[]),
];

/// Measures, and prints the result.
pub(crate) fn run(binaries: &Path, out: &mut impl Write) -> Result<()> {
    let _measuring = Measuring::begin()?;
    let mut workload = Workload::start(binaries, "touches", PAGES)?;
    let mut figures: [Vec<f64>; VARIANTS.len()] = Default::default();
    for round in 0..ROUNDS {
        say(&format!("first touches, round {}/{ROUNDS}", round + 1));
        for place in 0..VARIANTS.len() {
            let variant = (place + round) % VARIANTS.len();
            figures[variant].extend(visit(binaries, &mut workload, VARIANTS[variant].1)?);
        }
    }
    writeln!(
        out,
        "\nTime in all hooks of a first touch, {ROUNDS} interleaved rounds, best of {SAMPLES} samples of {PAGES} \
         pages in each\n"
    )?;
    writeln!(
        out,
        "{:<32} {:>12} {:>9}",
        "ns a first touch", "lowest", "median"
    )?;
    let mut lowest = [0.0; VARIANTS.len()];
    for ((title, _), (figures, lowest)) in VARIANTS.iter().zip(figures.iter().zip(&mut lowest)) {
        let median = statistics::median(figures).context(
            "other processes fault so often that nothing could be measured: try again on a quieter machine",
        )?;
        *lowest = figures.iter().copied().fold(f64::INFINITY, f64::min);
        writeln!(out, "{title:<32} {lowest:>12.0} {median:>9.0}")?;
    }
    let added = lowest[1] - lowest[0];
    let word = if added <= MOST_NS {
        "reached"
    } else {
        "missed"
    };
    writeln!(
        out,
        "{:<32} {added:>+12.0} {MOST_NS:>+9.0}  {word}",
        "counting them adds"
    )?;
    Ok(())
}

/// The fastest sample of a trace with these options, ns a first touch; `None` if other processes' faults are in all
/// of them.
fn visit(binaries: &Path, workload: &mut Workload, options: &[&str]) -> Result<Option<f64>> {
    let tracer = variant::trace(&binaries.join("cowtrace"), workload.pid(), options)?;
    let hooks = HookFiles::find(tracer.pid())?;
    workload.ask("")?;
    let mut fastest: Option<f64> = None;
    for _ in 0..SAMPLES {
        let before = hooks.read()?;
        workload.ask("")?;
        let after = hooks.read()?;
        let cost = sample_cost(&before, &after);
        fastest = [fastest, cost].into_iter().flatten().reduce(f64::min);
    }
    tracer.finish()?;
    Ok(fastest)
}

/// Nanoseconds a first touch in all hooks; `None` if too many runs were other processes'.
fn sample_cost(before: &[HookTime], after: &[HookTime]) -> Option<f64> {
    let mut cost = 0.0;
    for (before, after) in before.iter().zip(after) {
        let runs = after.runs.checked_sub(before.runs)? as f64;
        if runs < f64::from(PAGES) || runs > f64::from(PAGES) * (1.0 + FOREIGN_RUNS) {
            return None;
        }
        cost += after.nanoseconds.checked_sub(before.nanoseconds)? as f64 / runs;
    }
    Some(cost)
}

/// What the kernel measured of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HookTime {
    nanoseconds: u64,
    runs: u64,
}

/// Files of /proc that have the times of the hooks' programs, in the order of [`HOOKS`].
struct HookFiles(Vec<PathBuf>);

impl HookFiles {
    /// Those of a tracer: the file of a link has the hook's name and the program's number, that of a program
    /// its time.
    fn find(tracer: u32) -> Result<Self> {
        let (mut programs, mut links) = (HashMap::new(), HashMap::new());
        for file in fs::read_dir(format!("/proc/{tracer}/fdinfo"))? {
            let path = file?.path();
            // A file that was closed meanwhile.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let Some(program) = field(&text, "prog_id") else {
                continue;
            };
            if let Some(hook) = field(&text, "tp_name") {
                links.insert(hook.to_owned(), program.to_owned());
            } else {
                programs.insert(program.to_owned(), path);
            }
        }
        let file_of = |hook: &str| {
            let file = links.get(hook).and_then(|program| programs.get(program));
            file.cloned().with_context(|| {
                format!(
                    "cowtrace has no program on {hook}: only its backend tracepoint is measured"
                )
            })
        };
        HOOKS
            .into_iter()
            .map(file_of)
            .collect::<Result<_>>()
            .map(Self)
    }

    fn read(&self) -> Result<Vec<HookTime>> {
        self.0
            .iter()
            .map(|path| {
                let text = fs::read_to_string(path).context("the tracer has ended")?;
                time_of(&text).context("this kernel does not measure programs")
            })
            .collect()
    }
}

fn time_of(fdinfo: &str) -> Option<HookTime> {
    Some(HookTime {
        nanoseconds: field(fdinfo, "run_time_ns")?.parse().ok()?,
        runs: field(fdinfo, "run_cnt")?.parse().ok()?,
    })
}

fn field<'a>(fdinfo: &'a str, name: &str) -> Option<&'a str> {
    fdinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(found, value)| (found == name).then(|| value.trim()))
}

/// The kernel measures programs while this lives.
struct Measuring {
    before: String,
}

impl Measuring {
    fn begin() -> Result<Self> {
        let before = fs::read_to_string(SWITCH).with_context(|| format!("cannot read {SWITCH}"))?;
        let this = Self { before };
        fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}"))?;
        if fs::read_to_string(SWITCH)?.trim() != "1" {
            bail!("{SWITCH} stays off");
        }
        Ok(this)
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_fdinfo() {
        let text = "pos:\t0\nprog_type:\t17\nprog_id:\t42\nrun_time_ns:\t1200\nrun_cnt:\t10\n";
        assert_eq!(
            time_of(text),
            Some(HookTime {
                nanoseconds: 1200,
                runs: 10
            })
        );
        assert_eq!(
            field("tp_name:\tmm_page_alloc\n", "tp_name"),
            Some("mm_page_alloc")
        );
        assert_eq!(time_of("pos:\t0\n"), None);
    }

    #[test]
    fn a_sample_with_other_processes_faults_does_not_count() {
        let time = |nanoseconds, runs| HookTime { nanoseconds, runs };
        let before = [time(0, 0), time(0, 0)];
        let pages = u64::from(PAGES);
        let after = [time(pages * 100, pages), time(pages * 120, pages)];
        assert!((sample_cost(&before, &after).unwrap() - 220.0).abs() < 1e-9);
        assert!(sample_cost(&before, &[after[0], time(pages * 120, pages * 2)]).is_none());
        assert!(sample_cost(&before, &[after[0], time(1, 1)]).is_none());
    }
}
