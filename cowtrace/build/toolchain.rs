// Finds the tools that build the eBPF side. Included by the build script, which uses them, and by
// xtask, which installs missing ones: both must agree on what is missing.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The bpf-linker release this project is built with.
pub(crate) const LINKER_VERSION: &str = "0.13.0";

/// A compiler with a `core` for BPF.
pub(crate) enum Toolchain {
    /// rustup's nightly, which builds `core` from the component rust-src.
    Nightly,
    /// The distribution's compiler, with a prebuilt `core` for BPF.
    Distribution { cargo: PathBuf, rustc: PathBuf },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nightly => write!(f, "rustup's nightly with rust-src"),
            Self::Distribution { rustc, .. } => {
                write!(
                    f,
                    "the distribution's {} with its core for BPF",
                    rustc.display()
                )
            }
        }
    }
}

/// Everything the build needs.
pub(crate) struct Found {
    pub(crate) toolchain: Toolchain,
    pub(crate) linker: PathBuf,
}

impl Found {
    /// `PATH` with the linker's folder in front.
    pub(crate) fn path_with_linker(&self) -> OsString {
        let own = self.linker.parent().map(Path::to_path_buf);
        let rest = env::var_os("PATH").unwrap_or_default();
        env::join_paths(own.into_iter().chain(env::split_paths(&rest))).unwrap_or(rest)
    }
}

/// A missing tool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Compiler,
    Linker { llvm: String },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => write!(
                f,
                "no Rust compiler with a core for bpfel-unknown-none was found"
            ),
            Self::Linker { llvm } => write!(
                f,
                "bpf-linker {LINKER_VERSION} for LLVM {llvm} was not found"
            ),
        }
    }
}

/// Looks for the compiler, then for a linker that fits it.
pub(crate) fn find() -> Result<Found, Missing> {
    let toolchain = find_toolchain().ok_or(Missing::Compiler)?;
    let llvm = llvm_major(&toolchain).ok_or(Missing::Compiler)?;
    let linker = find_linker(&llvm).ok_or(Missing::Linker { llvm })?;
    Ok(Found { toolchain, linker })
}

/// rustup's nightly if it can build `core`, otherwise the distribution's compiler.
pub(crate) fn find_toolchain() -> Option<Toolchain> {
    let nightly =
        output(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]));
    if nightly.is_some_and(|sysroot| {
        Path::new(&sysroot)
            .join("lib/rustlib/src/rust/library/core")
            .is_dir()
    }) {
        return Some(Toolchain::Nightly);
    }
    let (cargo, rustc) = (
        PathBuf::from("/usr/bin/cargo"),
        PathBuf::from("/usr/bin/rustc"),
    );
    let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let core = Path::new(&sysroot).join("lib/rustlib/bpfel-unknown-none");
    (core.is_dir() && cargo.is_file()).then_some(Toolchain::Distribution { cargo, rustc })
}

/// Major version of the LLVM inside the compiler: the linker's must not be older.
pub(crate) fn llvm_major(toolchain: &Toolchain) -> Option<String> {
    let version = match toolchain {
        Toolchain::Nightly => {
            output(Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]))
        }
        Toolchain::Distribution { rustc, .. } => output(Command::new(rustc).arg("-vV")),
    }?;
    let llvm = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    Some(llvm.split('.').next()?.to_owned())
}

/// Where the project keeps the linker that it built: by version, outside the repository, so that a new
/// clone finds it.
pub(crate) fn linker_root(llvm: &str) -> PathBuf {
    cache().join(format!("bpf-linker-{LINKER_VERSION}-llvm-{llvm}"))
}

/// Where the project keeps what takes long to download or build.
pub(crate) fn cache() -> PathBuf {
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        // Others are to be ignored.
        .filter(|folder| folder.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("cowtrace")
}

fn find_linker(llvm: &str) -> Option<PathBuf> {
    let own = linker_root(llvm).join("bin/bpf-linker");
    if own.is_file() {
        return Some(own);
    }
    // One that the user installed for the same nightly, as aya's documentation says.
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join("bpf-linker"))
        .find(|path| {
            output(Command::new(path).arg("--version"))
                .is_some_and(|text| text.ends_with(LINKER_VERSION))
        })
}

fn output(command: &mut Command) -> Option<String> {
    // Set by the outer cargo; they would make one toolchain's cargo use another's rustc.
    let output = command
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
