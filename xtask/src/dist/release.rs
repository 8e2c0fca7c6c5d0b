//! What is released: version, commit, time.

use std::{env, process::Command};

use anyhow::{Context as _, Result};

use crate::workspace::{self, output};

/// By this variable tools of all kinds take a time for files and headers
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Names the commit, for the program's build script too.
pub(super) const COMMIT: &str = "COWTRACE_COMMIT";

/// One release.
pub(super) struct Release {
    pub(super) version: &'static str,
    /// The commit, abbreviated by git, if there is one.
    pub(super) commit: Option<String>,
    /// Seconds since 1970 that all files in packages are dated with.
    pub(super) epoch: u64,
}

impl Release {
    /// Time and commit come from git; without it, from the environment.
    pub(super) fn of_checkout() -> Result<Self> {
        let epoch = match env::var(EPOCH) {
            Ok(given) => given,
            Err(_) => git(&["log", "-1", "--format=%ct"])
                .with_context(|| format!("no commit gives a time for the files; set {EPOCH}"))?,
        };
        let epoch = epoch
            .trim()
            .parse()
            .with_context(|| format!("{EPOCH} is not a number of seconds: {epoch}"))?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: env::var(COMMIT)
                .ok()
                .or_else(|| git(&["rev-parse", "--short=12", "HEAD"]).ok()),
            epoch,
        })
    }

    /// Has a command date what it writes.
    pub(super) fn date<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(EPOCH, self.epoch.to_string())
    }

    /// As `date --iso-8601=seconds` writes it, in UTC.
    pub(super) fn iso(&self) -> Result<String> {
        self.formatted("+%Y-%m-%dT%H:%M:%SZ")
    }

    /// By a format of `date`, in UTC and English.
    pub(super) fn formatted(&self, format: &str) -> Result<String> {
        let mut date = Command::new("date");
        date.env("LC_ALL", "C")
            .arg("--utc")
            .arg(format!("--date=@{}", self.epoch))
            .arg(format);
        Ok(output(&mut date)?.trim().to_owned())
    }
}

fn git(arguments: &[&str]) -> Result<String> {
    let mut git = Command::new("git");
    let told = output(git.args(arguments).current_dir(workspace::root()))?;
    Ok(told.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        let release = Release {
            version: "1.2.3",
            commit: None,
            epoch: 86_400,
        };
        assert_eq!(release.iso().unwrap(), "1970-01-02T00:00:00Z");
        let told = release.formatted("+%a, %d %b %Y %H:%M:%S +0000").unwrap();
        assert_eq!(told, "Fri, 02 Jan 1970 00:00:00 +0000");
    }
}
