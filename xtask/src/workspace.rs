//! Where the workspace and its binaries are, and how to call cargo in it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context as _, Result, bail};

/// The crate of the kernel side: only cowtrace's build script can build it.
const EBPF: &str = "cowtrace-ebpf";

/// The workspace's folder. Cargo says where this crate is now; a binary that is started directly
/// uses the place where it was built.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}

/// Where cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let Some(folder) = env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) else {
        return Ok(root().join("target"));
    };
    std::path::absolute(&folder)
        .with_context(|| format!("CARGO_TARGET_DIR is {}", folder.display()))
}

/// A path for commands that run in another folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))
}

/// Where the release binaries are.
pub(crate) fn binaries() -> Result<PathBuf> {
    Ok(target()?.join("release"))
}

/// A folder that an environment variable names, to be used unchanged. Absolute, because its user
/// runs elsewhere.
pub(crate) fn given_folder(variable: &str) -> Result<Option<PathBuf>> {
    let Some(folder) = env::var_os(variable).filter(|folder| !folder.is_empty()) else {
        return Ok(None);
    };
    existing(Path::new(&folder)).with_context(|| format!("{variable} is {}", folder.display()))
}

fn existing(folder: &Path) -> Result<Option<PathBuf>> {
    if !folder.is_dir() {
        bail!("there is no such folder");
    }
    Ok(Some(std::path::absolute(folder)?))
}

/// A call of cargo in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut cargo = Command::new(cargo_program());
    cargo
        .args(arguments)
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target()?);
    Ok(cargo)
}

/// The cargo that runs this, otherwise the one in `PATH`.
pub(crate) fn cargo_program() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// A cargo call for all crates that are built for this machine.
pub(crate) fn cargo_on_all(action: &str) -> Result<Command> {
    cargo(&[action, "--release", "--workspace", "--exclude", EBPF])
}

/// Builds the program for this machine; it lies in [`binaries`] then.
pub(crate) fn build_program() -> Result<()> {
    // As one of all crates: by itself, it would be compiled again with fewer features of its dependencies.
    run(cargo_on_all("build")?.args(["--bin", "cowtrace"]))
}

/// The target that cargo builds for here.
pub(crate) fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot ask rustc which machine this is")?;
    host_of(&String::from_utf8_lossy(&output.stdout)).context("rustc does not say its host")
}

fn host_of(version: &str) -> Option<String> {
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}

/// Runs a command that shows its own output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", words(command));
    }
    Ok(())
}

/// Runs a command that shows its own output, and returns how it exited.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command
        .status()
        .with_context(|| format!("cannot start `{}`", words(command)))
}

/// Runs a program and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start `{}`", words(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            words(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command roughly as a person would type it.
pub(crate) fn words(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name();
    let name = name.unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    std::iter::once(name)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_folder_that_is_given_must_be_there() {
        assert!(existing(Path::new("src")).unwrap().unwrap().is_absolute());
        assert!(existing(Path::new("/no/such/folder")).is_err());
        assert_eq!(given_folder("COWTRACE_NO_SUCH_VARIABLE").unwrap(), None);
    }

    #[test]
    fn the_compiler_says_what_it_builds_for() {
        let version =
            "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0";
        assert_eq!(
            host_of(version).as_deref(),
            Some("x86_64-unknown-linux-gnu")
        );
        assert_eq!(host_of("rustc 1.95.0"), None);
    }

    #[test]
    fn a_command_reads_as_typed() {
        let mut command = Command::new("/usr/bin/apt-get");
        command.args(["install", "gcc"]);
        assert_eq!(words(&command), "apt-get install gcc");
    }
}
