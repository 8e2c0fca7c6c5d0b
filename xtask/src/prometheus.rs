//! Debian's Prometheus with its promtool, against which the tests hold the metrics. It is unpacked into the cache,
//! not installed: its package would start it as a service.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    arch::Arch,
    archive::{Archive, Scratch, Suite},
    say, toolchain, workspace,
};

/// Names a folder to use unchanged, and tells the tests where the programs are.
pub(crate) const FOLDER: &str = "COWTRACE_PROMETHEUS";

const SUITE: &str = "bookworm";
const PACKAGE: &str = "prometheus";
/// In the folder.
const PROGRAMS: [&str; 2] = ["usr/bin/prometheus", "usr/bin/promtool"];

/// Makes sure that it exists, and returns the folder that it is unpacked in.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(folder) = workspace::given_folder(FOLDER)? {
        return Ok(folder);
    }
    let folder = toolchain::cache().join(PACKAGE);
    if !is_whole(&folder) {
        download(&folder).with_context(|| {
            format!(
                "the kernel tests have Prometheus ask for metrics (instead, set {FOLDER} to a \
                 folder that has {})",
                PROGRAMS.join(" and ")
            )
        })?;
    }
    Ok(folder)
}

fn is_whole(folder: &Path) -> bool {
    PROGRAMS
        .iter()
        .all(|program| folder.join(program).is_file())
}

fn download(folder: &Path) -> Result<()> {
    say(&format!(
        "downloading Prometheus of Debian into {}, some 60 MB with the lists of packages: the \
         kernel tests have it ask for metrics",
        folder.display()
    ));
    let archive = Archive::of_this_machine()?;
    let suite = Suite::open(&archive, SUITE, Arch::of_this_machine()?.debian())?;
    let scratch = Scratch::new(PACKAGE)?;
    suite.unpack_into(&[PACKAGE], scratch.path())?;
    for program in PROGRAMS {
        attempt(&scratch.path().join(program))?;
    }
    let _ = fs::remove_dir_all(folder);
    match fs::rename(scratch.path(), folder) {
        // A simultaneous run was faster.
        Err(_) if is_whole(folder) => Ok(()),
        other => other.with_context(|| format!("cannot write {}", folder.display())),
    }
}

fn attempt(program: &Path) -> Result<()> {
    let mut command = Command::new(program);
    let status = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("{} does not run here: {status}", program.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_all_programs_is_not_whole() {
        let folder =
            std::env::temp_dir().join(format!("cowtrace-prometheus-{}", std::process::id()));
        let first = folder.join(PROGRAMS[0]);
        fs::create_dir_all(first.parent().unwrap()).unwrap();
        fs::write(first, "").unwrap();
        let before = is_whole(&folder);
        fs::write(folder.join(PROGRAMS[1]), "").unwrap();
        let after = is_whole(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert!(!before && after);
    }
}
