// Builds the kernel side for an architecture, as an eBPF object. Included by the build script and by xtask, which
// puts the objects of all architectures into the crate and the packages.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::toolchain::{self, Toolchain};

/// The crate of the kernel side, with what it is built from, relative to the workspace.
pub(crate) const SOURCES: [&str; 4] = [
    "cowtrace-ebpf",
    "cowtrace-common",
    "Cargo.toml",
    "Cargo.lock",
];

/// Variables that the outer cargo set for its own compiler, and that must not reach the inner one.
const OUTER: [&str; 6] = [
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Builds the object for an architecture, by the kernel's name for it, in a target folder. Returns where it is.
pub(crate) fn build(workspace: &Path, target: &Path, arch: &str) -> Result<PathBuf, String> {
    let found = toolchain::find().map_err(|missing| {
        format!("the eBPF side cannot be built: {missing}. Run `cargo xtask setup` once, or set COWTRACE_EBPF_OBJECT=FILE to a ready object")
    })?;
    let mut cargo = cargo(&found.toolchain);
    cargo
        .args(["build", "--package", "cowtrace-ebpf", "--release"])
        .args(["--target", "bpfel-unknown-none"]);
    if matches!(found.toolchain, Toolchain::Nightly) {
        cargo.args(["-Z", "build-std=core"]);
    }
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, arch)?)
        .env("PATH", found.path_with_linker())
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace);
    let status = cargo
        .status()
        .map_err(|error| format!("cannot start cargo for the eBPF side: {error}"))?;
    if !status.success() {
        return Err(format!(
            "the eBPF side failed to build ({status}): `cargo build -vv` shows why, and `cargo xtask setup` repairs the toolchain"
        ));
    }
    Ok(target.join("bpfel-unknown-none/release/cowtrace"))
}

fn cargo(toolchain: &Toolchain) -> Command {
    let mut cargo = match toolchain {
        Toolchain::Nightly => {
            let mut cargo = Command::new("rustup");
            cargo.args(["run", "nightly", "cargo"]);
            cargo
        }
        Toolchain::Distribution { cargo, .. } => Command::new(cargo),
    };
    for variable in OUTER {
        cargo.env_remove(variable);
    }
    if let Toolchain::Distribution { rustc, .. } = toolchain {
        // Only for the crates' own use of unstable features; `1` would also enable build-std.
        cargo
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "aya_ebpf,cowtrace");
    }
    cargo
}

/// BTF has the paths of source files: without the machine's own, the object is the same wherever it is built.
fn flags(workspace: &Path, arch: &str) -> Result<String, String> {
    let workspace = fs::canonicalize(workspace)
        .map_err(|error| format!("cannot find {}: {error}", workspace.display()))?;
    let mut flags = vec![
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
        format!("--remap-path-prefix={}=cowtrace", workspace.display()),
    ];
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    Ok(flags.join("\x1f"))
}

/// Where cargo keeps the sources of crates.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let given = env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
}
