//! Arguments that are valid one by one, but not together.

use std::collections::BTreeSet;

use clap::{
    CommandFactory as _, Error,
    error::{ErrorKind, Result},
};

use super::{Cli, Subcommands, TargetArgs, TraceArgs};
use crate::{foreign::printable, targets::MOST_TARGETS};

const EACH_NAMES_ONE: &str =
    "each --name stands before its target, as in --name web --unit web --name jobs --pid 4242";

/// A usage error of a subcommand, or of the trace, in clap's format.
#[must_use]
pub fn wrong_usage(subcommand: Option<&str>, what: &str) -> Error {
    let mut cli = Cli::command();
    cli.build();
    let found = subcommand.and_then(|name| cli.find_subcommand_mut(name).map(std::mem::take));
    found.unwrap_or(cli).error(ErrorKind::ValueValidation, what)
}

/// Refuses combinations that make no sense.
pub(super) fn check_usage(cli: &Cli) -> Result<()> {
    if cli.trace.start.first().is_some_and(|word| word.is_empty()) {
        let what = "the command after -- is empty; name a program";
        return Err(wrong_usage(None, what));
    }
    match &cli.command {
        None => check_targets(&cli.trace)?,
        Some(command) => refuse_pid_as_recording(command)?,
    }
    let (subcommand, labels) = match &cli.command {
        None => (None, &cli.trace.options.labels),
        Some(Subcommands::Demo(demo)) => (Some("demo"), &demo.options.labels),
        Some(Subcommands::Label(label)) => (Some("label"), &label.labels),
        Some(_) => return Ok(()),
    };
    match given_twice(labels) {
        Some(key) => {
            let what = format!("the label {} is given twice; give it once", printable(key));
            Err(wrong_usage(subcommand, &what))
        }
        None => Ok(()),
    }
}

/// Refuses a number where a recording stands, unless a file is called so: a process is meant.
fn refuse_pid_as_recording(command: &Subcommands) -> Result<()> {
    let (name, recording, instead) = match command {
        Subcommands::Report(report) => ("report", &report.recording, "cowtrace"),
        Subcommands::Heap(heap) => ("heap", &heap.recording, "cowtrace heap"),
        _ => return Ok(()),
    };
    let Some(recording) = recording.as_ref().filter(|path| !path.exists()) else {
        return Ok(());
    };
    match recording.to_str().map(str::parse::<u32>) {
        Some(Ok(pid)) => {
            let what = format!(
                "there is no recording {pid}; for the process {pid}: `{instead} --pid {pid}`"
            );
            Err(wrong_usage(Some(name), &what))
        }
        _ => Ok(()),
    }
}

/// Refuses names that name nothing, two targets of one name, and more targets than can be traced.
fn check_targets(trace: &TraceArgs) -> Result<()> {
    let TargetArgs {
        given,
        last_name,
        names_of_nothing,
    } = &trace.targets;
    if let Some(name) = names_of_nothing.first() {
        let what = format!(
            "--name {} names no target, because another --name follows: {EACH_NAMES_ONE}",
            printable(name)
        );
        return Err(wrong_usage(None, &what));
    }
    if let Some(name) = last_name.as_ref().filter(|_| trace.start.is_empty()) {
        let what = format!(
            "--name {} names no target, because none follows: {EACH_NAMES_ONE}",
            printable(name)
        );
        return Err(wrong_usage(None, &what));
    }
    if given.len() > MOST_TARGETS {
        let what = format!("at most {MOST_TARGETS} targets can be traced at one time");
        return Err(wrong_usage(None, &what));
    }
    let mut names = BTreeSet::new();
    let mut all = given.iter().filter_map(|target| target.name.as_deref());
    match all.find(|name| !names.insert(*name)) {
        Some(name) => {
            let what = format!(
                "two targets are called {}; give each a name of its own",
                printable(name)
            );
            Err(wrong_usage(None, &what))
        }
        None => Ok(()),
    }
}

/// A key that is given twice: one of the two values would be lost.
fn given_twice(labels: &[(String, String)]) -> Option<&str> {
    let mut keys = BTreeSet::new();
    let twice = labels.iter().find(|(key, _)| !keys.insert(key));
    twice.map(|(key, _)| key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn checked(arguments: &[&str]) -> Result<()> {
        check_usage(&Cli::try_parse_from([&["cowtrace"], arguments].concat())?)
    }

    #[test]
    fn a_command_has_a_name() {
        let error = checked(&["--", "", "x"]).expect_err("no name");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("the command after -- is empty"));
        assert!(checked(&["--", "ls", ""]).is_ok());
    }

    #[test]
    fn a_name_names_one_target() {
        let many: Vec<&str> = std::iter::repeat_n(["--pid", "1"], MOST_TARGETS + 1)
            .flatten()
            .collect();
        for (arguments, why) in [
            (
                &["--pid", "1", "--name", "web"][..],
                "--name web names no target, because none follows",
            ),
            (
                &["--name", "a", "--name", "b", "--pid", "1"],
                "--name a names no target, because another --name follows",
            ),
            (
                &["--name", "a", "--pid", "1", "--name", "a", "--pid", "2"],
                "two targets are called a",
            ),
            (&many, "at most 64 targets"),
        ] {
            let error = checked(arguments).expect_err("wrong names");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(checked(&["--name", "a", "--", "ls"]).is_ok());
        assert!(checked(&many[2..]).is_ok());
    }

    #[test]
    fn a_number_is_a_process_unless_a_file_is_called_so() {
        for (subcommand, instead) in [
            ("report", "`cowtrace --pid 4242`"),
            ("heap", "`cowtrace heap --pid 4242`"),
        ] {
            let error = checked(&[subcommand, "4242"]).expect_err("no such file");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(instead), "{error}");
            assert!(checked(&[subcommand, "4242.cow"]).is_ok());
        }
    }

    #[test]
    fn a_label_is_given_once() {
        for arguments in [
            &["--label", "a=1", "--label", "a=2", "--", "ls"][..],
            &["demo", "--label", "a=1", "--label", "a=1"],
            &["label", "run.cow", "b=1", "a=1", "a=2"],
        ] {
            let error = checked(arguments).expect_err("a label twice");
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains("the label a is given twice"), "{text}");
        }
        let usage = checked(&["label", "run.cow", "a=1", "a=2"]).expect_err("twice");
        assert!(
            usage.to_string().contains("Usage: cowtrace label"),
            "{usage}"
        );
        assert!(checked(&["label", "run.cow", "a=1", "b=1"]).is_ok());
    }
}
