//! Arguments: what the user typed, checked and resolved in one place. Afterwards nobody looks at
//! arguments again.

mod privileges;
mod tips;
mod values;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

pub use tips::parse;
use values::{duration, interval, label, percent, pid, range};

const USAGE: &str = "\
cowtrace [OPTIONS] --pid <PID>
       cowtrace [OPTIONS] -- <COMMAND>...
       cowtrace <SUBCOMMAND>";

const EXAMPLES: &str = "\
Examples:
  sudo cowtrace --pid 4242                 until Ctrl-C, then the report
  sudo cowtrace --pid 4242 -d 30s -f json  30 seconds, for scripts
  sudo cowtrace -- python3 app.py          start a command and trace it
  sudo cowtrace --pid 4242 -o run.cow      keep the run as well
  cowtrace report run.cow -f json          a report of a run that was kept
  sudo cowtrace doctor                     what this kernel allows";

const DIFF_EXAMPLES: &str = "\
Examples:
  cowtrace diff before.cow --against after.cow
  cowtrace diff base-*.cow --against new-*.cow    4 or more a side tell noise apart
  cowtrace diff base.cow --against new.cow --per requests --fail-above 5%

Exit status: 0 done, 1 it failed, 2 wrong usage, 3 --fail-above was exceeded, 4 the runs did not run
alike, so --fail-above says nothing of them.";

/// Shows which process of a prefork service copies which of its master's memory on write.
#[derive(Debug, Parser)]
#[command(name = "cowtrace", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, override_usage = USAGE)]
pub struct Cli {
    /// What to do other than tracing.
    #[command(subcommand)]
    pub command: Option<Subcommands>,

    /// The trace.
    #[command(flatten)]
    pub trace: TraceArgs,
}

/// Everything but the main job.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Report a recorded run; needs no privileges
    Report(ReportArgs),
    /// Tell what this kernel allows, found by trying
    Doctor,
    /// Start a small prefork service and trace it
    Demo(DemoArgs),
    /// Compare runs: what a change did to the copies
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Label a finished recording with what is known only after the run, for `cowtrace diff --per`
    Label(LabelArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Become a command once traced
    #[command(name = crate::targets::LAUNCHER, hide = true)]
    Become {
        /// Do not wait to be traced
        #[arg(long)]
        at_once: bool,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Name code in foreign files, as told on standard input
    #[command(name = crate::writer::NAMER, hide = true)]
    Name,
    /// Attach programs that do nothing to the tracepoint backend's hooks, for the benchmark
    #[command(name = "__empty-hooks", hide = true)]
    EmptyHooks,
    /// The demo's service where there is no python3
    #[command(name = crate::command::NATIVE_SERVICE, hide = true)]
    NativeService(LoadArgs),
}

/// What is to be traced: a master, or a command that becomes one.
const TARGET: &str = "target";

/// The main job's arguments.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new(TARGET).required(true)))]
pub struct TraceArgs {
    /// Process to trace with all its descendants, now and later; may be given several times
    #[arg(
        short,
        long = "pid",
        value_name = "PID",
        group = TARGET,
        allow_negative_numbers = true,
        value_parser = pid
    )]
    pub pids: Vec<u32>,

    /// How to trace and what to print.
    #[command(flatten)]
    pub options: TraceOptions,

    /// Stop after this time (10s, 5m, 1h30m; a bare number is seconds)
    #[arg(short, long, value_parser = duration, allow_hyphen_values = true)]
    pub duration: Option<Duration>,

    /// Do not fail with status 1 because the command failed
    #[arg(long, conflicts_with = "pids")]
    pub ignore_command_status: bool,

    /// Command to start and trace; under sudo it runs as the user who called sudo
    #[arg(last = true, value_name = "COMMAND", group = TARGET)]
    pub start: Vec<OsString>,
}

/// How to trace and what to print.
#[derive(Clone, Debug, Args)]
pub struct TraceOptions {
    /// Time between samples of the counters
    #[arg(short, long, default_value = "1s", value_parser = interval)]
    pub interval: Duration,

    /// Format of the report on standard output
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Record the run in this file as it goes, for `cowtrace report`
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace that file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,

    /// How to see page faults
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    pub backend: BackendName,

    /// Size of the address ranges that are counted: a power of two from the page size up, such as
    /// 4KiB or 1MiB, or auto
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = range)]
    pub range: Range,

    /// What to ask of who wrote
    #[command(flatten)]
    pub evidence: Evidence,

    /// Whether to look for the variables that hold what was copied, at the end, in the memory of
    /// the CPython process that loaded it
    #[arg(long, value_enum, default_value_t = Holders::Auto)]
    pub holders: Holders,

    /// Name something about the run; kept in the report, may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,

    /// Say more about what happens (-v), details (-vv), each copy as the kernel sees it (-vvv)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to ask of who wrote.
#[derive(Clone, Copy, Debug, Args)]
pub struct Evidence {
    /// Do not ask who wrote: counts alone, for less
    #[arg(long)]
    pub no_writers: bool,

    /// Do not walk Python frames: who wrote is told by function and type, not by line, for less
    #[arg(long)]
    pub no_frames: bool,

    /// Also tell which native functions called the one that wrote, as far as frame pointers go, for more
    #[arg(long, conflicts_with = "no_writers")]
    pub stacks: bool,
}

/// A report's arguments.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The recording
    #[arg(value_name = "RECORDING")]
    pub recording: PathBuf,

    /// Format of the report
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Write the report to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace that file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// What to call a recorded run.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The recording; its trace must have come to its end
    #[arg(value_name = "RECORDING")]
    pub recording: PathBuf,

    /// What to name; a label that the recording has already gets the new value
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = label)]
    pub labels: Vec<(String, String)>,
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

/// What to compare, and how to show it.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Recordings of the runs before the change
    #[arg(value_name = "BASE", required = true)]
    pub base: Vec<PathBuf>,

    /// Recordings of the runs after it
    #[arg(long, value_name = "NEW", required = true, num_args = 1..)]
    pub against: Vec<PathBuf>,

    /// Compare what a unit of work costs: the label that holds a run's number of units, such as
    /// requests for runs recorded with --label requests=20000
    #[arg(long, value_name = "LABEL")]
    pub per: Option<String>,

    /// Fail with status 3 if NEW copies more than BASE by over this, such as 5%; with several runs
    /// a side only if that is more than noise. Status 4 if the runs did not run alike
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub fail_above: Option<f64>,

    /// Format of the comparison
    #[arg(short, long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,

    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// Formats of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people
    Text,
    /// Everything, by the schema cowtrace.diff/1
    Json,
    /// One page of tables
    Html,
}

/// What the demo's service does.
#[derive(Clone, Copy, Debug, Args)]
pub struct LoadArgs {
    /// Workers to fork
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: u32,

    /// Memory the master loads, MiB
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=65_536))]
    pub megabytes: u32,

    /// How long the workers read it, seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
}

/// Formats of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// Everything, by the schema cowtrace.report/1
    Json,
    /// The histogram, one line a process and range
    Csv,
    /// A page for browsers: one file that needs nothing else
    Html,
    /// Stacks that wrote, one a line, for any flame graph tool
    Folded,
    /// Stacks that wrote, for pprof and what reads its profiles
    Pprof,
}

/// Backends by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// The first of the following that this kernel allows
    Auto,
    /// Trampolines in the kernel's fault handlers (fentry): sees everything, costs least
    Trampoline,
    /// Kernel probes on the same functions: sees everything, costs more
    Kprobe,
    /// Raw tracepoints (x86-64): where the others are refused
    Tracepoint,
}

impl BackendName {
    /// The backend's name; none for the best there is.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Trampoline => Some("trampoline"),
            Self::Kprobe => Some("kprobe"),
            Self::Tracepoint => Some("tracepoint"),
        }
    }
}

/// Whether to look for the variables that hold what was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Holders {
    /// Where the program runs a CPython that is known
    Auto,
    /// Never
    Off,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether output that is (or is not) a terminal gets colour.
    #[must_use]
    pub fn applies(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                is_terminal
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && !is_dumb()
            }
        }
    }
}

/// Whether the terminal shows plain text and nothing else (terminfo(5)).
#[must_use]
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The size of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Chosen so that the histogram holds all of the targets' memory.
    Auto,
    /// Bytes: a power of two, at least a page.
    Bytes(u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pid_or_a_command_is_needed_and_not_both() {
        assert!(Cli::try_parse_from(["cowtrace"]).is_err());
        assert!(Cli::try_parse_from(["cowtrace", "--pid", "1", "--", "ls"]).is_err());
        assert!(Cli::try_parse_from(["cowtrace", "--pid", "1", "--pid", "2"]).is_ok());
        assert!(Cli::try_parse_from(["cowtrace", "-d", "3s", "--", "ls", "-l"]).is_ok());
        assert!(Cli::try_parse_from(["cowtrace", "doctor"]).is_ok());
    }
}
