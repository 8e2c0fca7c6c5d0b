//! `cargo xtask proof`: cowtrace's counts beside those of Redis, Valkey, the kernel and page frames, by the scripts in
//! examples/. Prints their tables, in Markdown; docs/proof.md has the results.

mod servers;

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum, value_parser};

use crate::{privilege, setup, workspace};

/// Parts that can be measured by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Redis that saves while clients write, held at its fork and its end
    Redis,
    /// The same of Valkey, whose child frees strings that it has saved
    Valkey,
    /// Redis again, where nothing is held and clients write until the save has ended
    ToTheEnd,
    /// Workers that read a list of dicts, or an array
    Dataloader,
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Servers for each shape of data
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Only shapes whose name has this
    #[arg(long, default_value = "")]
    shape: String,
    /// A folder with libraries that Redis and Valkey are to use, such as a jemalloc with symbols
    #[arg(long, value_name = "FOLDER")]
    libraries: Option<PathBuf>,
}

/// Sets up, builds, and measures.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure()?;
    workspace::build_program()?;
    let wanted = |part| options.only.is_none_or(|only| only == part);
    if wanted(Part::Redis) || wanted(Part::ToTheEnd) {
        let redis = servers::Redis::ensure()?;
        if wanted(Part::Redis) {
            bgsave("Redis", &redis.command(), &[], options)?;
        }
        if wanted(Part::ToTheEnd) {
            let more = ["--to-the-end"];
            bgsave("Redis, to the end", &redis.command(), &more, options)?;
        }
    }
    if wanted(Part::Valkey) {
        let valkey = servers::Valkey::ensure()?;
        let command = valkey.command(libraries(options)?.as_deref());
        bgsave("Valkey", &command, &[], options)?;
    }
    if wanted(Part::Dataloader) {
        println!("## Workers that read\n");
        script("dataloader.py", &[])?;
    }
    Ok(())
}

/// Measures what a server copies that saves.
fn bgsave(title: &str, server: &str, more: &[&str], options: &Options) -> Result<()> {
    println!("## {title}\n");
    let mut arguments: Vec<OsString> = vec!["--server".into(), server.into()];
    arguments.extend(["--runs".into(), options.runs.to_string().into()]);
    arguments.extend(["--shape".into(), (&options.shape).into()]);
    arguments.extend(more.iter().map(Into::into));
    if let Some(libraries) = libraries(options)? {
        arguments.extend(["--libraries".into(), libraries.into()]);
    }
    script("redis_bgsave.py", &arguments)
}

/// By its whole path: servers run elsewhere.
fn libraries(options: &Options) -> Result<Option<PathBuf>> {
    let libraries = options.libraries.as_deref();
    Ok(libraries.map(std::path::absolute).transpose()?)
}

/// Runs a script of examples/ as root.
fn script(name: &str, arguments: &[OsString]) -> Result<()> {
    let path = workspace::root().join("examples").join(name);
    let cowtrace = workspace::binaries()?.join("cowtrace");
    // It writes no compiled code beside the scripts, as root.
    let mut all: Vec<OsString> = vec![
        "-B".into(),
        path.into(),
        "--cowtrace".into(),
        cowtrace.into(),
    ];
    all.extend_from_slice(arguments);
    let python = python()?;
    workspace::run(&mut privilege::command("trace", python.as_os_str(), all)?)
}

/// The interpreter itself: what is called `python3` may be a script that starts it, and would be traced too.
fn python() -> Result<PathBuf> {
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .context("cannot start python3")?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !path.is_file() {
        bail!("python3 does not say where it is");
    }
    Ok(path)
}
