//! `cargo xtask test`: all tests. Those in the module `kernel` trace the running kernel: they need
//! root, and a skipped test is always reported.

use std::{
    env,
    io::{self, BufRead, BufReader, IsTerminal as _, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    packages::{self, Need},
    privilege, prometheus, pythons, say, services, setup, workspace,
};

/// Packages whose programs the tests run beside cowtrace.
const NEEDS: &[Need] = &[
    Need {
        program: "python3",
        packages: &["python3"],
        why: "tests trace a CPython service",
    },
    Need {
        program: "chromium",
        packages: &["chromium"],
        why: "tests open the report for browsers in one",
    },
    Need {
        program: "tmux",
        packages: &["tmux"],
        why: "tests draw on a terminal in it",
    },
    Need {
        program: "systemd-analyze",
        packages: &["systemd"],
        why: "tests check the unit in contrib/ with it",
    },
    Need {
        program: "runc",
        packages: &["runc"],
        why: "tests trace a service in a container",
    },
    Need {
        program: "protoc",
        packages: &["protobuf-compiler"],
        why: "tests decode the report for pprof with it",
    },
];

/// The binary of the integration tests.
const PROGRAM: &str = "all";
/// Its module of tests that need root and a kernel that allows tracing.
const KERNEL: &str = "kernel::";
/// The start of a line by which a kernel test says that this kernel cannot run it.
const SKIPPED: &str = "SKIPPED ";
/// Makes a kernel test fail instead of skipping.
pub(crate) const REQUIRE_KERNEL: &str = "COWTRACE_REQUIRE_KERNEL";
/// As root without sudo's variables: otherwise cowtrace would work for the user who called sudo,
/// who does not own the files that the tests create as root.
const AS_ROOT: &str = "sudo -E env -u SUDO_UID -u SUDO_GID";

/// Which tests to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Leave out the tests that need root
    #[arg(long)]
    no_root: bool,
    /// Fail where a kernel test would be skipped; always so where CI is set
    #[arg(long, conflicts_with = "no_root")]
    require_kernel: bool,
}

/// Runs everything even if something fails, and then fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure()?;
    packages::ensure(NEEDS)?;
    let traced = if options.no_root {
        None
    } else {
        Some(Traced::ensure()?)
    };
    // The kernel tests start these binaries.
    workspace::run(&mut workspace::cargo_on_all("build")?)?;
    let mut failed = Vec::new();
    if !unit_tests()? {
        failed.push("unit tests");
    }
    if !plain_tests()? {
        failed.push("tests without the kernel");
    }
    if !doc_tests()? {
        failed.push("documentation tests");
    }
    if let Some(traced) = traced {
        if !kernel_tests(&traced, options)? {
            failed.push("kernel tests");
        }
    } else {
        println!("{SKIPPED}{KERNEL}: --no-root");
    }
    if !failed.is_empty() {
        bail!("failed: {}; see above", failed.join(", "));
    }
    say("all tests passed");
    Ok(())
}

/// Folders with the programs that the kernel tests trace.
pub(crate) struct Traced {
    pythons: PathBuf,
    packages: PathBuf,
    prometheus: PathBuf,
}

impl Traced {
    /// Provides what is missing.
    pub(crate) fn ensure() -> Result<Self> {
        Ok(Self {
            pythons: pythons::ensure()?,
            packages: services::ensure()?,
            prometheus: prometheus::ensure()?,
        })
    }
}

fn unit_tests() -> Result<bool> {
    let mut cargo = workspace::cargo_on_all("test")?;
    // Not all programs: but for this one, what there is to test is in their libraries.
    cargo.args(["--no-fail-fast", "--lib", "--bin", "xtask"]);
    Ok(workspace::status(&mut cargo)?.success())
}

fn plain_tests() -> Result<bool> {
    let mut cargo = workspace::cargo_on_all("test")?;
    cargo.args(["--test", PROGRAM, "--", "--skip", KERNEL]);
    Ok(workspace::status(&mut cargo)?.success())
}

fn doc_tests() -> Result<bool> {
    let mut cargo = workspace::cargo_on_all("test")?;
    Ok(workspace::status(cargo.arg("--doc"))?.success())
}

fn kernel_tests(traced: &Traced, options: &Options) -> Result<bool> {
    let mut cargo = command_of_kernel_tests(traced)?;
    if options.require_kernel || is_ci(env::var("CI").ok().as_deref()) {
        cargo.env(REQUIRE_KERNEL, "1");
    }
    let skipped = run_and_find_skipped(&mut cargo)?;
    Ok(skipped.report())
}

/// What runs the tests of the kernel: built by the user, run by root.
pub(crate) fn command_of_kernel_tests(traced: &Traced) -> Result<Command> {
    let mut cargo = workspace::cargo_on_all("test")?;
    cargo
        .args(["--test", PROGRAM])
        .env(pythons::FOLDER, &traced.pythons)
        .env(services::FOLDER, &traced.packages)
        .env(prometheus::FOLDER, &traced.prometheus);
    if !privilege::is_root() {
        if !privilege::is_within_reach() {
            bail!(
                "the kernel tests need root, and there is no sudo. As root, run `cargo xtask test`; without them, `cargo xtask test --no-root`"
            );
        }
        say("sudo is used to run the kernel tests as root");
        cargo.env(runner_variable(&workspace::host()?), AS_ROOT);
    }
    Ok(cargo)
}

/// The outcome of the kernel tests.
struct Outcome {
    succeeded: bool,
    skipped: Vec<String>,
}

impl Outcome {
    /// Repeats at the end what the kernel could not run, because it has scrolled by.
    fn report(&self) -> bool {
        for line in &self.skipped {
            say(line);
        }
        self.succeeded
    }
}

/// Shows the tests' output while searching it. `--show-output`: a test that skips counts as passed,
/// and the output of passed tests is hidden otherwise.
fn run_and_find_skipped(cargo: &mut Command) -> Result<Outcome> {
    let color = if io::stdout().is_terminal() {
        "--color=always"
    } else {
        "--color=auto"
    };
    cargo.args(["--", KERNEL, "--show-output", color]);
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", workspace::words(cargo)))?;
    let output = child.stdout.take().context("the tests' output is lost")?;
    let skipped = pass_through(BufReader::new(output), &mut io::stdout())?;
    Ok(Outcome {
        succeeded: child.wait()?.success(),
        skipped,
    })
}

/// Copies lines, and returns those by which a test says that it was skipped.
fn pass_through(mut from: impl BufRead, to: &mut impl Write) -> Result<Vec<String>> {
    let mut skipped = Vec::new();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        if text.starts_with(SKIPPED) {
            skipped.push(text.trim_end().to_owned());
        }
        line.clear();
    }
    Ok(skipped)
}

fn is_ci(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "" | "0" | "false"))
}

/// Cargo's variable that names the program to start what it built for a target.
fn runner_variable(host: &str) -> String {
    format!(
        "CARGO_TARGET_{}_RUNNER",
        host.to_uppercase().replace(['-', '.'], "_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_is_set_for_the_host() {
        assert_eq!(
            runner_variable("x86_64-unknown-linux-gnu"),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
        );
    }

    #[test]
    fn a_skip_is_found_in_what_the_tests_print() {
        let output = b"running 2 tests\nSKIPPED zero_page: no fault tracepoints\ntest ok\n\xff";
        let mut shown = Vec::new();
        let skipped = pass_through(&output[..], &mut shown).unwrap();
        assert_eq!(skipped, ["SKIPPED zero_page: no fault tracepoints"]);
        assert_eq!(shown, output);
    }

    /// A filter that matches no test passes.
    #[test]
    fn the_tests_that_need_the_kernel_are_in_a_module_of_their_own() {
        let program = workspace::root().join("tests/tests/main.rs");
        let module = format!("mod {};", KERNEL.trim_end_matches("::"));
        assert!(std::fs::read_to_string(program).unwrap().contains(&module));
    }

    #[test]
    fn ci_is_on_unless_it_says_no() {
        assert!(is_ci(Some("true")) && is_ci(Some("1")));
        assert!(!is_ci(Some("false")) && !is_ci(Some("")) && !is_ci(None));
    }
}
