//! What to trace: options that may be given several times, in an order that matters, since `--name` names the one
//! after it.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use std::path::PathBuf;

use super::values::{parse_pid, parse_target_name};
use crate::targets::{ContainerPrefix, Pattern, Target, UnitName, Wanted};

/// What to trace, in the order in which it was given.
#[derive(Clone, Debug, Default)]
pub struct TargetArgs {
    /// Running processes.
    pub given: Vec<Target>,
    /// The name that stands after all of them: it is the command's, if there is one.
    pub last_name: Option<String>,
    /// Names with another name behind them.
    pub names_of_nothing: Vec<String>,
}

/// The options.
#[derive(Debug, Args)]
#[group(skip)]
struct TargetOptions {
    /// Process to trace, with all its present and future descendants; may be given several times, as the
    /// following may, and mixed with them
    #[arg(short, long = "pid", value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pids: Vec<u32>,

    /// systemd unit to trace; `.service` may be left out. Its processes are found again after a restart
    #[arg(long = "unit", value_name = "NAME", allow_hyphen_values = true)]
    units: Vec<UnitName>,

    /// Container to trace, by the first digits of its id
    #[arg(long = "container", value_name = "ID", allow_hyphen_values = true)]
    containers: Vec<ContainerPrefix>,

    /// Cgroup to trace with those below it: a path in /sys/fs/cgroup, or as in /proc/PID/cgroup
    #[arg(long = "cgroup", value_name = "PATH")]
    cgroups: Vec<PathBuf>,

    /// Trace the processes whose command lines match a regular expression, now and later, with all their
    /// descendants
    #[arg(long = "match", value_name = "REGEX", allow_hyphen_values = true)]
    patterns: Vec<Pattern>,

    /// Name of the target after it, in reports
    #[arg(long = "name", value_name = "NAME", value_parser = parse_target_name)]
    names: Vec<String>,
}

/// The ids of these options; `--name` is none of them.
pub(super) const TARGET_IDS: [&str; 5] = ["pids", "units", "containers", "cgroups", "patterns"];

/// A word of the command line.
enum TargetWord {
    Name(String),
    Wanted(Wanted),
}

impl Args for TargetArgs {
    fn augment_args(command: Command) -> Command {
        TargetOptions::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        TargetOptions::augment_args_for_update(command)
    }
}

impl FromArgMatches for TargetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let [pids, units, containers, cgroups, patterns] = TARGET_IDS;
        let mut words = placed(matches, pids, |pid| TargetWord::Wanted(Wanted::Pid(pid)));
        words.extend(placed(matches, units, |unit| {
            TargetWord::Wanted(Wanted::Unit(unit))
        }));
        words.extend(placed(matches, containers, |id| {
            TargetWord::Wanted(Wanted::Container(id))
        }));
        words.extend(placed(matches, cgroups, |path| {
            TargetWord::Wanted(Wanted::Cgroup(path))
        }));
        words.extend(placed(matches, patterns, |pattern| {
            TargetWord::Wanted(Wanted::Match(pattern))
        }));
        words.extend(placed(matches, "names", TargetWord::Name));
        words.sort_by_key(|(place, _)| *place);
        let mut targets = Self::default();
        for (_, word) in words {
            match word {
                TargetWord::Name(name) => {
                    let before = targets.last_name.replace(name);
                    targets.names_of_nothing.extend(before);
                }
                TargetWord::Wanted(wanted) => targets.given.push(Target {
                    name: targets.last_name.take(),
                    wanted,
                }),
            }
        }
        Ok(targets)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an option, each with its place in the command line.
fn placed<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    id: &str,
    word: impl Fn(T) -> TargetWord,
) -> Vec<(usize, TargetWord)> {
    let places = matches.indices_of(id).into_iter().flatten();
    let values = matches.get_many::<T>(id).into_iter().flatten().cloned();
    places.zip(values.map(word)).collect()
}
