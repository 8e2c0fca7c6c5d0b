//! Builds for another architecture: with a compiler that has the standard library for it, otherwise
//! with Debian's compiler and the library from Debian's archive. The library is unpacked into the
//! cache, so the machine gets no foreign architecture.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    arch::Arch,
    archive::{Archive, Suite},
    object,
    packages::{self, Need},
    say,
    toolchain::{self, Toolchain},
    workspace,
};

/// The suites that may have a version of the compiler: those that get new ones.
const SUITES: [&str; 5] = [
    "bookworm-security",
    "trixie",
    "trixie-security",
    "trixie-backports",
    "bookworm",
];
/// The package names of the compiler and its library; newer ones of stable releases first.
const PACKAGES: [(&str, &str); 2] = [
    ("rustc-web", "libstd-rust-web-dev"),
    ("rustc", "libstd-rust-dev"),
];

/// The cargo call for a static build for the architecture, without what to build.
pub(crate) fn cargo(arch: Arch, profile: &str) -> Result<Command> {
    let target = arch.target();
    let mut flags = OsString::from("-C target-feature=+crt-static");
    for (from, to) in places() {
        flags.push(" --remap-path-prefix=");
        flags.push(from);
        flags.push(to);
    }
    let prefix = format!("CARGO_TARGET_{}", variable(&target));
    let mut cargo = workspace::cargo(&[])?;
    if !arch.is_here() {
        let linker = linker(arch)?;
        let program = linker.program;
        packages::ensure(&[linker])?;
        if !has_library(&target) {
            let library = Library::find(arch)?;
            flags.push(" --sysroot ");
            flags.push(&library.sysroot);
            cargo = library.cargo()?;
        }
        cargo.env(format!("{prefix}_LINKER"), program);
    }
    cargo
        .args(["build", "--profile", profile, "--target", &target])
        // Only for the target: build scripts and macros run here, and must not be static.
        .env(format!("{prefix}_RUSTFLAGS"), flags)
        .env_remove("RUSTFLAGS");
    Ok(cargo)
}

/// Folders of this machine, which programs name in their messages, and what they are called instead: programs are
/// the same wherever they were built.
fn places() -> Vec<(PathBuf, &'static str)> {
    let mut places = vec![(workspace::root(), "=cowtrace")];
    if let Some(home) = object::cargo_home() {
        places.push((home, "=cargo"));
    }
    places
}

/// The linker with its C library.
fn linker(arch: Arch) -> Result<Need> {
    match arch {
        Arch::Aarch64 => Ok(Need {
            program: "aarch64-linux-gnu-gcc",
            packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
            why: "programs are linked for arm64",
        }),
        Arch::X86_64 => bail!(
            "programs for x86_64 are built only on x86_64; here, run `cargo xtask vm --arch {}`",
            env::consts::ARCH
        ),
    }
}

/// Whether the usual compiler can build for the target.
fn has_library(target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", target]);
    let told = rustc.output().map(|output| output.stdout);
    told.is_ok_and(|path| Path::new(String::from_utf8_lossy(&path).trim()).is_dir())
}

/// A standard library for another architecture, and the Debian compiler that it belongs to.
struct Library {
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
}

impl Library {
    /// Exactly the compiler's version, because no other fits.
    fn find(arch: Arch) -> Result<Self> {
        let target = arch.target();
        let Some(Toolchain::Distribution { cargo, rustc }) = toolchain::find_toolchain() else {
            bail!("no compiler here builds for {target}; run `rustup target add {target}`");
        };
        let (package, version) = package_of_compiler()
            .with_context(|| format!("the compiler {} is no Debian package", rustc.display()))?;
        let folder = format!("{package}-{version}-{}", arch.debian());
        let sysroot = toolchain::cache().join("std").join(folder);
        if !sysroot.join("lib/rustlib").join(&target).is_dir() {
            download(arch, &format!("{package}={version}"), &sysroot).with_context(|| {
                format!(
                    "no compiler here builds for {target} (`rustup target add {target}` gives one)"
                )
            })?;
        }
        Ok(Self {
            cargo,
            rustc,
            sysroot,
        })
    }

    fn cargo(&self) -> Result<Command> {
        let mut cargo = Command::new(&self.cargo);
        cargo
            .current_dir(workspace::root())
            .env("CARGO_TARGET_DIR", workspace::target()?)
            .env("RUSTC", &self.rustc)
            .env_remove("RUSTUP_TOOLCHAIN");
        Ok(cargo)
    }
}

/// Name of the library's package, and the version of the installed compiler.
fn package_of_compiler() -> Option<(&'static str, String)> {
    PACKAGES.iter().find_map(|(compiler, library)| {
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat", "${Version}", compiler]);
        let output = query.output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && !version.is_empty()).then_some((*library, version))
    })
}

/// Searches the suites for exactly this package.
fn download(arch: Arch, package: &str, sysroot: &Path) -> Result<()> {
    say(&format!("downloading {package} for {}", arch.debian()));
    let archive = Archive::of_this_machine()?;
    for suite in SUITES {
        let suite = Suite::open(&archive, suite, arch.debian())?;
        if !suite.has(package)? {
            continue;
        }
        let unpacked = suite.unpack(package)?;
        let parent = sysroot.parent().context("the cache has no folder")?;
        fs::create_dir_all(parent)
            .and_then(|()| fs::rename(unpacked.path().join("usr"), sysroot))
            .with_context(|| format!("cannot write {}", sysroot.display()))?;
        return Ok(());
    }
    bail!(
        "{package} for {} is in none of {}",
        arch.debian(),
        SUITES.join(", ")
    )
}

/// A target in the names of cargo's environment variables.
fn variable(target: &str) -> String {
    target.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_variables_are_written_as_cargo_reads_them() {
        assert_eq!(
            variable("aarch64-unknown-linux-gnu"),
            "AARCH64_UNKNOWN_LINUX_GNU"
        );
    }

    #[test]
    fn an_architecture_without_a_linker_is_told_plainly() {
        assert!(linker(Arch::Aarch64).is_ok());
        let error = linker(Arch::X86_64).err().unwrap().to_string();
        assert!(error.contains("cargo xtask vm --arch"), "{error}");
    }
}
