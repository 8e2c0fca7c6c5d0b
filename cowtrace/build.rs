//! Builds the kernel side for its own target, or uses the prebuilt object in
//! `COWTRACE_EBPF_OBJECT`, and puts it where the program includes it from.

#[path = "build/toolchain.rs"]
mod toolchain;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use toolchain::Toolchain;

const OBJECT: &str = "COWTRACE_EBPF_OBJECT";

fn main() {
    println!("cargo::rerun-if-env-changed={OBJECT}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/toolchain.rs");
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let object = out.join("cowtrace-ebpf.o");
    if let Some(ready) = env::var_os(OBJECT) {
        let ready = PathBuf::from(ready);
        println!("cargo::rerun-if-changed={}", ready.display());
        return copy(&ready, &object);
    }
    let root = Path::new("..");
    for source in [
        "cowtrace-ebpf",
        "cowtrace-common",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let found = toolchain::find().map_err(|missing| {
        format!("the eBPF side cannot be built: {missing}. Run `cargo xtask setup` once, or set {OBJECT}=FILE to a ready object")
    })?;
    let target = out.join("ebpf-target");
    let status = compile(&found, &target)
        .map_err(|error| format!("cannot start cargo for the eBPF side: {error}"))?;
    if !status.success() {
        return Err(format!(
            "the eBPF side failed to build ({status}): `cargo build -vv` shows why, and `cargo xtask setup` repairs the toolchain"
        ));
    }
    copy(&target.join("bpfel-unknown-none/release/cowtrace"), &object)
}

fn compile(found: &toolchain::Found, target: &Path) -> io::Result<std::process::ExitStatus> {
    let mut cargo = match &found.toolchain {
        Toolchain::Nightly => {
            let mut cargo = Command::new("rustup");
            cargo.args(["run", "nightly", "cargo"]);
            cargo
        }
        Toolchain::Distribution { cargo, .. } => Command::new(cargo),
    };
    // Variables that the outer cargo set for its own compiler must not reach the inner one.
    for variable in [
        "RUSTC",
        "RUSTDOC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        cargo.env_remove(variable);
    }
    if let Toolchain::Distribution { rustc, .. } = &found.toolchain {
        // Only for the crates' own use of unstable features; `1` would also enable build-std.
        cargo
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "aya_ebpf,cowtrace");
    }
    cargo.args([
        "build",
        "--package",
        "cowtrace-ebpf",
        "--release",
        "--target",
        "bpfel-unknown-none",
    ]);
    if matches!(found.toolchain, Toolchain::Nightly) {
        cargo.args(["-Z", "build-std=core"]);
    }
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let flags = [
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
    ];
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("PATH", found.path_with_linker())
        .arg("--target-dir")
        .arg(target)
        .current_dir("..")
        .status()
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| format!("cannot read the eBPF object {}: {error}", from.display()))
}
