//! Puts the eBPF object where the program includes it from: the one in `COWTRACE_EBPF_OBJECT`, or one that is built
//! from the sources beside this crate, or, where there are none, the one that the crate was published with.

#[path = "build/commit.rs"]
mod commit;
#[path = "build/object.rs"]
mod object;
#[path = "build/strip.rs"]
mod strip;
#[path = "build/toolchain.rs"]
#[allow(dead_code, reason = "xtask uses the rest of it")]
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

const OBJECT: &str = "COWTRACE_EBPF_OBJECT";

fn main() {
    println!("cargo::rerun-if-env-changed={OBJECT}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    if let Err(message) = commit::tell_origin().and_then(|()| build()) {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let included = out.join("cowtrace-ebpf.o");
    // Fuzz targets trace nothing, so the kernel side need not be built for them.
    if env::var_os("CARGO_CFG_FUZZING").is_some() {
        return write(&included, &[]);
    }
    let ready = match env::var_os(OBJECT) {
        Some(ready) => watched(PathBuf::from(ready)),
        None => own_object(&out)?,
    };
    let object = fs::read(&ready)
        .map_err(|error| format!("cannot read the eBPF object {}: {error}", ready.display()))?;
    write(&included, &strip::strip_debug(&object)?)
}

fn own_object(out: &Path) -> Result<PathBuf, String> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let workspace = Path::new("..");
    if workspace.join("cowtrace-ebpf/Cargo.toml").is_file() {
        for source in object::SOURCES {
            println!(
                "cargo::rerun-if-changed={}",
                workspace.join(source).display()
            );
        }
        return object::build(workspace, &out.join("ebpf-target"), &arch);
    }
    let published = Path::new("ebpf").join(format!("{arch}.o"));
    if published.is_file() {
        return Ok(watched(published));
    }
    Err(format!(
        "cowtrace runs on x86_64 and aarch64; for {arch} there is no eBPF object"
    ))
}

/// A file that was there before the build.
fn watched(file: PathBuf) -> PathBuf {
    println!("cargo::rerun-if-changed={}", file.display());
    file
}

fn write(file: &Path, object: &[u8]) -> Result<(), String> {
    fs::write(file, object).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
