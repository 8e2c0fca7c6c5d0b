//! The command line: checked and resolved here, in one place. No other room looks at arguments.

mod choices;
mod list;
mod objects;
mod privileges;
mod recorded;
mod shown;
mod targets;
mod tips;
mod tracing;
mod usage;
mod values;
mod version;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};

pub use choices::{
    BackendName, Color, DiffFormat, Format, Holders, Overhead, RangeChoice, is_dumb,
};
pub use list::{ListArgs, ListFormat};
pub use objects::{HeapArgs, HeapFormat};
pub use recorded::{Destination, DiffArgs, LabelArgs, ReportArgs};
pub use shown::Shown;
pub use targets::TargetArgs;
pub use tips::parse_arguments;
pub use tracing::{DemoArgs, EvidenceOptions, LoadArgs, TraceArgs, TraceOptions};
pub use usage::wrong_usage;
pub use version::wants_build;

const USAGE: &str = "\
cowtrace [OPTIONS] --pid <PID>  (or --unit, --container, --cgroup, --match)
       cowtrace [OPTIONS] -- <COMMAND>...
       cowtrace <SUBCOMMAND>";

const EXAMPLES: &str = "\
Examples:
  sudo cowtrace --pid 4242                 until Ctrl-C, then the report
  sudo cowtrace --pid 4242 -d 30s -f json  30 seconds, for scripts
  sudo cowtrace --unit web                 a systemd service, restarts included
  sudo cowtrace -- python3 app.py          start a command and trace it
  sudo cowtrace --pid 4242 -o run.cow      also record the run
  cowtrace report run.cow -f json          report a recorded run
  cowtrace report                          report the last run again
  sudo cowtrace list                       what to trace here
  sudo cowtrace doctor                     what this kernel allows";

/// Shows why the workers of a prefork service stop sharing memory with their master.
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
    /// Report a recorded run, or the last one again; needs no privileges
    Report(ReportArgs),
    /// List what can be traced here: prefork trees by memory that can still be unshared
    List(ListArgs),
    /// Show what this kernel allows, by trying it
    Doctor,
    /// Start a small prefork service and trace it
    Demo(DemoArgs),
    /// Compare runs: what a change did to the copies
    #[command(override_usage = recorded::DIFF_USAGE, after_help = recorded::DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// List the objects of a running Python process, by type and by variable
    #[command(after_help = objects::HEAP_EXAMPLES)]
    Heap(HeapArgs),
    /// Label a finished recording with something known only after the run, for `cowtrace diff --per`
    Label(LabelArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// Write it into this folder instead, with a page for each subcommand
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Become a command once traced
    #[command(name = crate::itself::LAUNCHER, hide = true)]
    Become {
        /// Do not wait to be traced
        #[arg(long)]
        at_once: bool,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Name code in foreign files, as told on standard input
    #[command(name = crate::itself::NAMER, hide = true)]
    Name,
    /// Attach programs that do nothing to the tracepoint backend's hooks, for the benchmark
    #[command(name = "__empty-hooks", hide = true)]
    EmptyHooks,
    /// The demo's service where there is no python3
    #[command(name = crate::itself::DEMO_SERVICE, hide = true)]
    NativeService(LoadArgs),
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
    fn what_runs_and_a_command_are_not_traced_together() {
        for target in [["--pid", "1"], ["--unit", "web"], ["--match", "web"]] {
            let with_command = [&["cowtrace"][..], &target, &["--", "ls"]].concat();
            assert!(Cli::try_parse_from(with_command).is_err());
        }
        assert!(Cli::try_parse_from(["cowtrace", "--pid", "1", "--pid", "2"]).is_ok());
        assert!(Cli::try_parse_from(["cowtrace", "-d", "3s", "--", "ls", "-l"]).is_ok());
        assert!(Cli::try_parse_from(["cowtrace", "doctor"]).is_ok());
    }

    #[test]
    fn a_name_is_that_of_the_target_behind_it() {
        let line = "cowtrace --pid 7 --name web --match a.b --pid 8 --name jobs --unit jobs --cgroup /x --container abcd";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let targets = crate::targets::named_targets(&cli.trace.targets.given);
        let all: Vec<String> = targets
            .iter()
            .map(|target| format!("{}: {}", target.name, target.what))
            .collect();
        assert_eq!(
            all,
            [
                "7: pid 7",
                "web: match a.b",
                "8: pid 8",
                "jobs: unit jobs.service",
                "x: cgroup /x",
                "abcd: container abcd"
            ]
        );
        let cli = Cli::try_parse_from("cowtrace --name web -- python3 app.py".split(' ')).unwrap();
        assert_eq!(cli.trace.targets.last_name.as_deref(), Some("web"));
    }
}
