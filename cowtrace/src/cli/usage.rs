//! Arguments that are valid one by one, but not together.

use std::collections::BTreeSet;

use clap::{
    CommandFactory as _, Error,
    error::{ErrorKind, Result},
};

use super::{Cli, Subcommands};
use crate::foreign::printable;

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
