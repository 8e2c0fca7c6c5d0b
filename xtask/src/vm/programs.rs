//! The programs inside a machine, and the libraries they need: those of this machine, or none if
//! they are built statically for another architecture.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{arch::Arch, cross, say, workspace};

/// The first process, the workload, and the program under test.
const NAMES: [&str; 3] = ["guest", "cowtrace", "workload"];

/// A file, and its path inside the machine, without the leading slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Installed {
    pub(crate) place: String,
    pub(crate) file: PathBuf,
}

/// Builds them. For this architecture these are the release builds, which exist after the tests.
pub(crate) fn build(arch: Arch) -> Result<Vec<Installed>> {
    if !arch.is_here() {
        return Ok(programs(&build_static(arch)?));
    }
    workspace::run(&mut workspace::cargo_on_all("build")?)?;
    let mut installed = programs(&workspace::binaries()?);
    let mut libraries = Vec::new();
    for program in &installed {
        libraries.extend(libraries_of(&program.file)?);
    }
    libraries.sort();
    libraries.dedup();
    installed.extend(libraries);
    Ok(installed)
}

fn programs(folder: &Path) -> Vec<Installed> {
    let program = |name| Installed {
        place: format!("bin/{name}"),
        file: folder.join(name),
    };
    NAMES.map(program).to_vec()
}

/// Where this machine's loader finds them, the guest's loader looks as well.
fn libraries_of(program: &Path) -> Result<Vec<Installed>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("cannot start ldd, which tells the libraries of a program")?;
    if !output.status.success() {
        bail!("ldd does not know the libraries of {}", program.display());
    }
    Ok(libraries(&String::from_utf8_lossy(&output.stdout)))
}

/// The words that are paths: `libc.so.6 => /lib/… (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn libraries(told: &str) -> Vec<Installed> {
    let paths = told.lines().filter_map(|line| {
        line.split_ascii_whitespace()
            .find_map(|word| word.strip_prefix('/'))
    });
    paths
        .map(|path| Installed {
            place: path.to_owned(),
            file: Path::new("/").join(path),
        })
        .collect()
}

fn build_static(arch: Arch) -> Result<PathBuf> {
    let target = arch.target();
    say(&format!(
        "building the programs of the machines for {target}"
    ));
    let mut cargo = cross::cargo(arch, "release")?;
    for name in NAMES {
        cargo.args(["--bin", name]);
    }
    workspace::run(&mut cargo)?;
    Ok(workspace::target()?.join(target).join("release"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_where_the_loader_finds_them() {
        let told = "\tlinux-vdso.so.1 (0x00007ffd3)\n\
            \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f1)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f2)\n";
        let places: Vec<String> = libraries(told)
            .into_iter()
            .map(|library| library.place)
            .collect();
        assert_eq!(
            places,
            [
                "lib/x86_64-linux-gnu/libgcc_s.so.1",
                "lib64/ld-linux-x86-64.so.2"
            ]
        );
        assert!(libraries("\tstatically linked\n").is_empty());
    }
}
