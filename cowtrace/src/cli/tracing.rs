//! Arguments of the commands that trace: the main job and the demo.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    choices::{BackendName, Color, Holders, Overhead, RangeChoice},
    shown::Shown,
    targets::{TARGET_IDS, TargetArgs},
    values::{parse_duration, parse_interval, parse_label, parse_listen, parse_range},
};

/// The main job's arguments.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// What to trace that runs.
    #[command(flatten)]
    pub targets: TargetArgs,

    /// How to trace and what to print.
    #[command(flatten)]
    pub options: TraceOptions,

    /// Wait for units and patterns of which there is no process yet, or that are not known: for a cowtrace that
    /// runs as a service
    #[arg(long)]
    pub wait: bool,

    /// Stop after this time (10s, 5m, 1h30m; a bare number is seconds). A started COMMAND is ended then
    #[arg(short, long, value_parser = parse_duration, allow_hyphen_values = true)]
    pub duration: Option<Duration>,

    /// Do not fail with status 1 when the command fails
    #[arg(long, conflicts_with_all = TARGET_IDS)]
    pub ignore_command_status: bool,

    /// Command to start and trace; under sudo it runs as the user who called sudo
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = TARGET_IDS)]
    pub start: Vec<OsString>,
}

/// How to trace and what to print.
#[derive(Clone, Debug, Args)]
pub struct TraceOptions {
    /// Time between samples of the counters
    #[arg(short, long, default_value = "1s", value_parser = parse_interval, allow_hyphen_values = true)]
    pub interval: Duration,

    /// What is printed on standard output.
    #[command(flatten)]
    pub shown: Shown,

    /// Record the run in this file during the trace, for `cowtrace report`
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,

    /// Do not keep the run. Without -o, the last 5 runs are kept in ~/.local/state/cowtrace, for `cowtrace
    /// report` and `cowtrace diff` without a file
    #[arg(long)]
    pub no_keep: bool,

    /// Write this program's process id into this file once the hooks are on: for scripts that begin a load
    /// then. It is created by this, or is a pipe, such as /dev/fd/3
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// Show the trace on this terminal while it runs: ? lists the keys. What a started COMMAND prints goes into a
    /// file
    #[arg(long)]
    pub live: bool,

    /// Serve metrics for Prometheus at this address while tracing, such as 127.0.0.1:9435; a port alone is of
    /// this machine only
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,

    /// Serve figures of N single workers of each service, too: by slot, the lowest that is free, never by pid
    #[arg(long, value_name = "N", default_value_t = 0, requires = "listen", value_parser = clap::value_parser!(u16).range(..=1_024))]
    pub metrics_workers: u16,

    /// How to see page faults
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    pub backend: BackendName,

    /// Size of the address ranges to count in: a power of two from the page size up, such as
    /// 4KiB or 1MiB, or auto
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "auto",
        value_parser = parse_range,
        allow_hyphen_values = true
    )]
    pub range: RangeChoice,

    /// What to find out about who wrote
    #[command(flatten)]
    pub evidence: EvidenceOptions,

    /// Whether to look, at the end, for the variables that hold the copied memory, in the CPython
    /// process that loaded it
    #[arg(long, value_enum, default_value_t = Holders::Auto)]
    pub holders: Holders,

    /// Label of the run, kept in the report; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,

    /// Log more: what happens (-v), details (-vv), each copy as the kernel sees it (-vvv)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to find out about who wrote.
#[derive(Clone, Copy, Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct EvidenceOptions {
    /// Counts only, without who wrote; lower overhead
    #[arg(long)]
    pub no_writers: bool,

    /// Report types and functions that wrote, but no Python lines; lower overhead
    #[arg(long)]
    pub no_frames: bool,

    /// Also report which native functions called the one that wrote, as far as frame pointers reach;
    /// higher overhead
    #[arg(long, conflicts_with = "no_writers")]
    pub stacks: bool,

    /// How much finding out who wrote may cost: normal looks at every copy, and at fewer, drawn at random,
    /// when copies come too fast; low at one in 16 at most; full at every one, until evidence is lost
    #[arg(long, value_enum, default_value_t = Overhead::Normal)]
    pub overhead: Overhead,

    /// Bytes of each processor's ring of evidence, a power of two, for tests
    #[arg(long = "__ring-bytes", hide = true, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(4096..))]
    pub ring_bytes: Option<u32>,

    /// Most threads to trace at one time, and half as many processes, for tests
    #[arg(long = "__slots", hide = true, value_name = "THREADS", value_parser = clap::value_parser!(u32).range(2..=1 << 14))]
    pub slots: Option<u32>,

    /// Do not find out what stores did, for the benchmark
    #[arg(long = "__no-stores", hide = true)]
    pub no_stores: bool,

    /// Count copies alone, for the benchmark; the verdict then knows nothing of new memory
    #[arg(long = "__no-touches", hide = true)]
    pub no_touches: bool,
}

/// The demo's arguments.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How to trace and what to print.
    #[command(flatten)]
    pub options: TraceOptions,

    /// Call `gc.freeze()` in the master before it forks
    #[arg(long)]
    pub freeze: bool,

    /// The service.
    #[command(flatten)]
    pub load: LoadArgs,
}

/// What the demo's service does.
#[derive(Clone, Copy, Debug, Args)]
pub struct LoadArgs {
    /// Workers to fork
    #[arg(long, default_value_t = 4, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: u32,

    /// Memory the master loads, MiB
    #[arg(long, default_value_t = 256, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(8..=65_536))]
    pub megabytes: u32,

    /// How long the workers read it, seconds
    #[arg(long, default_value_t = 25, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
}
