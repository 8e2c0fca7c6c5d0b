//! `--version -v`: more than the version.

use std::{env, ffi::OsString};

use clap::{Error, error::ErrorKind};

/// Whether this message of clap is the version, and `-v` stands beside `--version`.
#[must_use]
pub fn wants_build(message: &Error) -> bool {
    let arguments: Vec<OsString> = env::args_os().collect();
    is_verbose_version(message, &arguments)
}

fn is_verbose_version(message: &Error, arguments: &[OsString]) -> bool {
    let mut options = arguments.iter().skip(1).take_while(|it| *it != "--");
    message.kind() == ErrorKind::DisplayVersion
        && options.any(|it| it.to_str().is_some_and(is_verbose))
}

/// `--verbose`, `-v`, `-vv`, and both in one: `-vV`.
fn is_verbose(option: &str) -> bool {
    let letters = option.strip_prefix('-').unwrap_or_default();
    let is_cluster = letters.chars().all(|letter| matches!(letter, 'v' | 'V'));
    option == "--verbose" || is_cluster && letters.contains('v')
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::Cli, *};

    fn is_wanted(arguments: &[&str]) -> bool {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let message = Cli::try_parse_from(&arguments).expect_err("a message");
        is_verbose_version(&message, &arguments)
    }

    #[test]
    fn the_version_says_more_with_v() {
        for arguments in [
            &["cowtrace", "--version", "-v"][..],
            &["cowtrace", "-v", "--version"],
            &["cowtrace", "-vV"],
            &["cowtrace", "-Vv"],
            &["cowtrace", "-V", "-vv"],
            &["cowtrace", "--verbose", "-V"],
        ] {
            assert!(is_wanted(arguments), "{arguments:?}");
        }
        for arguments in [
            &["cowtrace", "--version"][..],
            &["cowtrace", "-V", "-i", "5s"],
            &["cowtrace", "-V", "--", "ls", "-v"],
            &["cowtrace", "--help", "-v"],
            &["cowtrace", "-v", "no-such-command"],
        ] {
            assert!(!is_wanted(arguments), "{arguments:?}");
        }
    }
}
