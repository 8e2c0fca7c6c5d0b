//! The project's own tasks, run as `cargo xtask …`: one file per subcommand. They share where
//! things are (`workspace`), what runs as root (`privilege`), what the distribution installs
//! (`packages`) and what is taken from Debian without being installed (`archive`).

mod arch;
mod archive;
mod bench;
mod cross;
mod demo;
mod dist;
mod free_threaded;
mod fuzz;
#[cfg(test)]
mod names;
mod packages;
#[cfg(test)]
mod pages;
mod pip;
mod privilege;
mod prometheus;
mod proof;
mod pythons;
#[cfg(test)]
mod rooms;
mod screen;
mod screenshot;
mod services;
mod setup;
mod soak;
#[cfg(test)]
mod sources;
mod test;
mod vm;
mod workspace;

// cowtrace's build script builds the kernel side, and looks for the tools, in the same way.
#[path = "../../cowtrace/build/object.rs"]
#[allow(dead_code, reason = "parts of it serve the build script only")]
mod object;
#[path = "../../cowtrace/build/strip.rs"]
mod strip;
#[path = "../../cowtrace/build/toolchain.rs"]
#[allow(dead_code, reason = "parts of it serve the build script only")]
mod toolchain;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Make sure of what builds the eBPF side: compiler, LLVM, linker
    Setup,
    /// Build the eBPF object of this machine alone, and print where it is
    Object,
    /// Set up, build, and show cowtrace on a built-in prefork service
    Demo(demo::Options),
    /// Set up, build, and run all tests
    Test(test::Options),
    /// Make what is handed out: archives and packages for each architecture
    Dist(dist::Options),
    /// Give the decoders of bytes from outside inputs that reach more and more of them
    Fuzz(fuzz::Options),
    /// Build a Python without the global interpreter lock, for the tests to trace too
    FreeThreaded,
    /// Test on other kernels, in virtual machines
    Vm(vm::Options),
    /// Measure what tracing costs for each copied page
    Bench(bench::Options),
    /// Compare with what Redis, the kernel and page frames say: BGSAVE, and workers that read
    Proof(proof::Options),
    /// Take the pictures in docs/: live view, report and page of a service
    Screenshot(screenshot::Options),
    /// Trace services under load for hours: counts stay exact, and cowtrace does not grow
    Soak(soak::Options),
}

fn main() -> ExitCode {
    match run(&Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<()> {
    match chore {
        Chore::Setup => setup::ensure(),
        Chore::Object => dist::print_object(),
        Chore::Demo(options) => demo::run(options),
        Chore::Test(options) => test::run(options),
        Chore::Dist(options) => dist::run(options),
        Chore::Fuzz(options) => fuzz::run(options),
        Chore::FreeThreaded => free_threaded::build(),
        Chore::Vm(options) => vm::run(options),
        Chore::Bench(options) => bench::run(options),
        Chore::Proof(options) => proof::run(options),
        Chore::Screenshot(options) => screenshot::run(options),
        Chore::Soak(options) => soak::run(options),
    }
}

/// Announces the next step of a task. Results go to standard output, this does not.
fn say(text: &str) {
    eprintln!("xtask: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_two_dashes_goes_to_the_demo() {
        let cli = Cli::try_parse_from(["xtask", "demo", "--", "--seconds", "3"]).unwrap();
        let Chore::Demo(options) = cli.chore else {
            panic!("{cli:?}")
        };
        assert_eq!(options.arguments, ["--seconds", "3"]);
    }
}
