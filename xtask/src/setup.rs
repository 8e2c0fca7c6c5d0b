//! `cargo xtask setup`: makes sure of the tools that build the eBPF side. Installs only what is
//! missing; `toolchain` decides what is missing, as in the build script.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    packages::{self, Need},
    say,
    toolchain::{self, Found, LINKER_VERSION, Missing},
    workspace,
};

const BY_HAND: &str = "install a compiler and a linker by hand: \
    `rustup toolchain install nightly --component rust-src`, then \
    `cargo install cargo-binstall && cargo binstall bpf-linker`";

pub(crate) const C_COMPILER: Need = Need {
    program: "cc",
    packages: &["gcc", "libc6-dev"],
    why: "some crates need a C compiler",
};

/// Makes sure of the compilers and the linker, and prints which ones are used.
pub(crate) fn ensure() -> Result<()> {
    packages::ensure(&[C_COMPILER])?;
    if let Some(object) = env::var_os("COWTRACE_EBPF_OBJECT") {
        say(&format!(
            "the eBPF side is ready in {}: nothing builds it",
            object.display()
        ));
        return Ok(());
    }
    let found = match toolchain::find() {
        Ok(found) => found,
        Err(missing) => repair(missing)?,
    };
    say(&format!(
        "the eBPF side is built by {} and linked by {}",
        found.toolchain,
        found.linker.display()
    ));
    Ok(())
}

/// Installs what is missing: the compiler first, because it decides which linker fits.
fn repair(mut missing: Missing) -> Result<Found> {
    if missing == Missing::Compiler {
        install_compiler()?;
        missing = match toolchain::find() {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
    }
    let Missing::Linker { llvm } = missing else {
        bail!("still {missing}; {BY_HAND}");
    };
    install_linker(&llvm)?;
    toolchain::find().map_err(|missing| anyhow::anyhow!("still {missing}; {BY_HAND}"))
}

/// The distribution's compiler with a prebuilt `core` for BPF.
fn install_compiler() -> Result<()> {
    if !packages::has_manager() {
        bail!(
            "{} and there is no apt-get here; {BY_HAND}",
            Missing::Compiler
        );
    }
    if compiler_packages(packages::is_known).is_none() {
        packages::update()?;
    }
    let names = compiler_packages(packages::is_known)
        .with_context(|| format!("this distribution has no Rust compiler for BPF; {BY_HAND}"))?;
    packages::install(
        &names,
        "a Rust compiler with a core for BPF; rustup's nightly would need its component rust-src",
    )
}

/// Debian's stable releases have newer compilers under names with -web; later suites have only the
/// plain names.
fn compiler_packages(is_known: impl Fn(&str) -> bool) -> Option<[&'static str; 3]> {
    [
        ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"],
        ["rustc", "cargo", "libstd-rust-dev-bpf"],
    ]
    .into_iter()
    .find(|names| is_known(names[2]))
}

/// Builds the linker against the LLVM inside the compiler.
fn install_linker(llvm: &str) -> Result<()> {
    let by_hand = format!(
        "cannot build bpf-linker here (by hand: `cargo install cargo-binstall && cargo binstall bpf-linker@{LINKER_VERSION}`)"
    );
    let tools = llvm_tools(llvm);
    if !tools.join("llvm-config").is_file() {
        install_llvm(llvm).with_context(|| by_hand.clone())?;
    }
    let root = toolchain::linker_root(llvm);
    say(&format!(
        "building bpf-linker {LINKER_VERSION} for LLVM {llvm} into {}: it links the eBPF side",
        root.display()
    ));
    workspace::run(&mut linker_build(llvm, tools, &root)?).with_context(|| by_hand)
}

/// The cargo call that builds the linker: a quick build rather than a fast program, which spends
/// its time inside LLVM anyway.
fn linker_build(llvm: &str, tools: PathBuf, root: &Path) -> Result<Command> {
    let rest = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(tools).chain(env::split_paths(&rest)))
        .context("PATH cannot be extended")?;
    let feature = format!("llvm-{llvm}");
    let mut cargo = workspace::cargo(&["install", "bpf-linker", "--version", LINKER_VERSION])?;
    cargo
        .args(["--no-default-features", "--features", &feature])
        .args(["--locked", "--root"])
        .arg(root)
        .env("PATH", path)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        // Its objects are not needed afterwards: cargo builds them in a temporary folder.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS");
    Ok(cargo)
}

fn install_llvm(llvm: &str) -> Result<()> {
    let package = format!("llvm-{llvm}-dev");
    if packages::has_manager() && !packages::is_known(&package) {
        packages::update()?;
        if !packages::is_known(&package) {
            bail!("this distribution has no {package}, which bpf-linker is built with");
        }
    }
    packages::install(&[&package], "bpf-linker is built with the compiler's LLVM")
}

/// Where Debian puts the programs of an LLVM version.
fn llvm_tools(llvm: &str) -> PathBuf {
    Path::new("/usr/lib")
        .join(format!("llvm-{llvm}"))
        .join("bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_compiler_is_taken_where_the_suite_has_it() {
        assert_eq!(
            compiler_packages(|_| true),
            Some(["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"])
        );
        assert_eq!(
            compiler_packages(|name| !name.contains("-web")),
            Some(["rustc", "cargo", "libstd-rust-dev-bpf"])
        );
        assert_eq!(compiler_packages(|_| false), None);
    }

    #[test]
    fn the_linker_is_built_with_the_llvm_of_its_compiler() {
        assert_eq!(llvm_tools("22"), Path::new("/usr/lib/llvm-22/bin"));
    }
}
