//! A place where the program is installed, and what it has to do there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{privilege, workspace::output};

/// Mounts what a system has, which ends with the shell, and starts a command below a folder.
const ENTER: &str = "root=$1; shift
for name in proc sys dev; do mkdir -p $root/$name && mount --rbind /$name $root/$name || exit; done
exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb chroot $root \"$@\"";

/// Where a program is.
pub(super) enum Place {
    /// A file on this machine.
    Here(PathBuf),
    /// A folder that is the root of another system, and the program's path in it.
    Root(PathBuf, &'static str),
}

impl Place {
    /// A call of the program as root.
    fn call(&self, arguments: &[&str]) -> Result<Command> {
        match self {
            Self::Here(program) => {
                privilege::command("trace with the program", program.as_os_str(), arguments)
            }
            Self::Root(root, program) => in_root(root, program, arguments),
        }
    }

    /// Whether it traces a service, and says what that copied.
    pub(super) fn traces(&self) -> Result<()> {
        let version = output(&mut self.call(&["--version"])?)?;
        if version.trim() != format!("cowtrace {}", env!("CARGO_PKG_VERSION")) {
            bail!("--version prints {version}");
        }
        output(&mut self.call(&["doctor"])?)?;
        let mut demo = self.call(&["demo", "--seconds", "2", "--megabytes", "16"])?;
        reports_copies(&output(&mut demo)?)?;
        // The run was kept.
        let report = output(&mut self.call(&["report", "-f", "json"])?)?;
        let report: serde_json::Value = serde_json::from_str(&report)?;
        if report["schema"] != "cowtrace.report/1" {
            bail!("the kept run has no report: {report}");
        }
        Ok(())
    }
}

/// Checks that a report in text shows copies. After two seconds its verdict may still be open.
pub(super) fn reports_copies(report: &str) -> Result<()> {
    if !report.contains("COPY-ON-WRITE") || !report.contains("WHO COPIED") {
        bail!("the demo's report is\n{report}");
    }
    Ok(())
}

/// A command in a folder that is the root of another system.
pub(super) fn in_root(root: &Path, program: &str, arguments: &[&str]) -> Result<Command> {
    for name in ["tmp", "root"] {
        fs::create_dir_all(root.join(name)).context("cannot make a folder")?;
    }
    let root = root.to_str().context("the folder's path is not UTF-8")?;
    let mut all = vec!["--mount", "sh", "-c", ENTER, "sh", root, program];
    all.extend(arguments);
    privilege::command("enter another system", "unshare".as_ref(), all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_copies_is_none() {
        assert!(reports_copies("SO FAR COPY-ON-WRITE: …\n\nWHO COPIED\n").is_ok());
        assert!(reports_copies("NOTHING GREW\n").is_err());
    }
}
