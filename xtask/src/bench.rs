//! `cargo xtask bench`: what tracing adds to the copy of a page, compared with empty programs and
//! with bpftrace and perf; and what the program itself costs. Prints one table on standard output.

mod figures;
mod naming;
mod pairing;
mod parallel;
mod perf;
mod requests;
mod rounds;
mod stalls;
mod statistics;
mod touches;
mod tracer;
mod upkeep;
mod variant;
mod watch;
mod workers;
mod workload;

use std::{env, ffi::OsString, io, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum, value_parser};

use crate::{
    packages::{self, Need},
    privilege, setup,
    vm::instructions,
    workspace,
};

const BPFTRACE: Need = Need {
    program: "bpftrace",
    packages: &["bpftrace"],
    why: "the benchmark compares with a bpftrace script that counts the same",
};
const PERF: Need = Need {
    program: "perf",
    packages: &["linux-perf"],
    why: "the benchmark compares with perf record and perf trace",
};

/// Parts that can be measured by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What tracing adds to the copy of a page, beside empty programs, bpftrace and perf
    Copies,
    /// How long a busy master's mmap and munmap take
    Stalls,
    /// What counting first touches of new memory costs
    Touches,
    /// What each backend adds, in instructions, in an emulated machine
    Machines,
    /// Writers on all processors at once
    Parallel,
    /// What a Tornado service answers, and how fast
    Requests,
    /// What a trace costs with many workers
    Workers,
    /// What it costs to look at a trace: by the live view, and as metrics
    Watch,
}

/// How long to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds: each measures every variant once, in another order
    #[arg(long, default_value_t = 11, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Inherited pages that a child writes at a time; few enough to fit between other work. Four times as many by each of
    /// parallel writers
    #[arg(long, default_value_t = 16_384, value_parser = value_parser!(u32).range(1_024..=4_194_304))]
    pub(crate) pages: u32,
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Measure with what is built in this folder already; what the set-up starts as root
    #[arg(long, hide = true, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

/// Sets up, builds, and measures.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(binaries) = &options.binaries {
        return measure(options, binaries.clone());
    }
    setup::ensure()?;
    if options.only == Some(Part::Machines) {
        return instructions::run(&mut io::stdout());
    }
    if options.only.is_none_or(|part| part == Part::Copies) {
        packages::ensure(&[BPFTRACE, PERF])?;
    }
    workspace::run(workspace::cargo_on_all("build")?.args(["--bins", "--examples"]))?;
    let binaries = workspace::binaries()?;
    if privilege::is_root() {
        measure(options, binaries)?;
    } else {
        measure_as_root(options, binaries)?;
    }
    // It needs no root, and builds.
    match options.only {
        None => instructions::run(&mut io::stdout()),
        Some(_) => Ok(()),
    }
}

/// This program again, as root.
fn measure_as_root(options: &Options, binaries: PathBuf) -> Result<()> {
    let itself = env::current_exe().context("cannot find this program")?;
    let mut arguments: Vec<OsString> = vec![
        "bench".into(),
        "--rounds".into(),
        options.rounds.to_string().into(),
        "--pages".into(),
        options.pages.to_string().into(),
        "--binaries".into(),
        binaries.into(),
    ];
    if let Some(only) = options.only.and_then(|part| part.to_possible_value()) {
        arguments.extend(["--only".into(), only.get_name().into()]);
    }
    workspace::run(&mut privilege::command(
        "attach the tracers",
        itself.as_os_str(),
        arguments,
    )?)
}

fn measure(options: &Options, binaries: PathBuf) -> Result<()> {
    let bench = rounds::Bench {
        binaries,
        pages: options.pages,
    };
    let machine = figures::machine();
    if let Some(only) = options.only {
        println!("{machine}");
        return match only {
            Part::Copies => copies(options, &bench),
            Part::Machines => instructions::run(&mut io::stdout()),
            Part::Stalls => stalls::run(&bench.binaries, &mut io::stdout()),
            Part::Touches => touches::run(&bench.binaries, &mut io::stdout()),
            Part::Parallel => parallel::run(
                &bench.binaries,
                options.pages,
                options.rounds,
                &mut io::stdout(),
            ),
            Part::Requests => requests::run(&bench.binaries, options.rounds, &mut io::stdout()),
            Part::Workers => workers::run(&bench.binaries, options.rounds, &mut io::stdout()),
            Part::Watch => watch::run(&bench.binaries, &mut io::stdout()),
        };
    }
    println!("{machine}");
    copies(options, &bench)?;
    touches::run(&bench.binaries, &mut io::stdout())?;
    parallel::run(
        &bench.binaries,
        options.pages,
        options.rounds,
        &mut io::stdout(),
    )?;
    let upkeep = upkeep::measure(&bench.binaries)?;
    figures::upkeep(&upkeep, &mut io::stdout())?;
    let naming = naming::measure(&bench.binaries)?;
    figures::naming(&naming, &mut io::stdout())?;
    requests::run(&bench.binaries, options.rounds, &mut io::stdout())?;
    workers::run(&bench.binaries, options.rounds, &mut io::stdout())?;
    watch::run(&bench.binaries, &mut io::stdout())?;
    stalls::run(&bench.binaries, &mut io::stdout())
}

fn copies(options: &Options, bench: &rounds::Bench) -> Result<()> {
    let rounds = bench.run(options.rounds)?;
    figures::costs(options, &rounds, &mut io::stdout())
}
