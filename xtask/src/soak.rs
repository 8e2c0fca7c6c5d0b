//! `cargo xtask soak`: one test of the kernel for a long time, see tests/tests/kernel/soak.rs.

use anyhow::Result;
use clap::{Args, value_parser};

use crate::{
    setup,
    test::{self, Traced},
    workspace,
};

/// The test.
const TEST: &str = "kernel::soak";
/// Tells it for how long.
const SECONDS: &str = "COWTRACE_SOAK_SECONDS";

/// How long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Minutes of load
    #[arg(long, default_value_t = 120, value_parser = value_parser!(u32).range(1..=100_000))]
    minutes: u32,
}

/// Sets up, builds, and traces services under load; prints what cowtrace has of memory, files and mappings.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure()?;
    let traced = Traced::ensure()?;
    workspace::run(&mut workspace::cargo_on_all("build")?)?;
    let mut cargo = test::command_of_kernel_tests(&traced)?;
    cargo
        .env(test::REQUIRE_KERNEL, "1")
        .env(SECONDS, (u64::from(options.minutes) * 60).to_string())
        .args(["--", TEST, "--nocapture"]);
    workspace::run(&mut cargo)
}
