//! `cargo xtask fuzz`: runs libFuzzer on the decoders of bytes from outside, one after the other.
//! Each continues with the inputs found before. An input that breaks something is saved where the
//! unit tests replay it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, value_parser};

use crate::{
    packages::{self, Need},
    setup, workspace,
};

const CPP_COMPILER: Need = Need {
    program: "c++",
    packages: &["g++"],
    why: "libFuzzer, which the fuzz targets are linked with, is C++",
};

/// Flags with which a stable compiler lets libFuzzer see which code an input reaches and with what
/// it is compared (LLVM's `SanitizerCoverage`).
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Limits: seconds per input, and megabytes of the whole program.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];
/// How many lines of a failed target's output are shown.
const SHOWN: usize = 40;

/// What to fuzz.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Decoders, by name; all if none is given
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long to fuzz each
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only see whether all of them compile, which takes a minute
    #[arg(long, conflicts_with_all = ["targets", "seconds"])]
    check: bool,
}

/// Builds the targets, and fuzzes one after the other; fails if any of them failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure(&[setup::C_COMPILER, CPP_COMPILER])?;
    let folder = workspace::target()?.join("fuzz");
    if options.check {
        return cargo_in("check", &folder).map(|_| ());
    }
    let programs = cargo_in("build", &folder)?;
    let all = seed(&programs, &folder)?;
    let mut failed = Vec::new();
    for target in chosen(&all, &options.targets)? {
        let fuzzing = Fuzzing {
            target,
            program: programs.join(&target.name),
            folder: &folder,
        };
        if !fuzzing.run(options.seconds)? {
            failed.push(target.name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("broken: {}; see above", failed.join(", "));
    }
    Ok(())
}

/// A target, and the length of its longest useful inputs in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    max_bytes: u32,
}

/// Builds or checks everything in a separate folder, and returns where the programs are.
fn cargo_in(action: &str, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let host = workspace::host()?;
    let mut cargo = workspace::cargo(&[action, "--release", "--locked"])?;
    cargo
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        // Otherwise the flags would apply to build scripts, too.
        .args(["--target", &host])
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    workspace::run(&mut cargo)?;
    Ok(folder.join(host).join("release"))
}

/// Writes the seed inputs, and returns the targets.
fn seed(programs: &Path, folder: &Path) -> Result<Vec<Target>> {
    let program = programs.join("seeds");
    let output = Command::new(&program)
        .arg(folder.join("corpus"))
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    told.lines()
        .map(|line| {
            target(line).with_context(|| format!("unexpected line in the list of targets: {line}"))
        })
        .collect()
}

fn target(line: &str) -> Option<Target> {
    let (name, max_bytes) = line.split_once(' ')?;
    Some(Target {
        name: name.to_owned(),
        max_bytes: max_bytes.parse().ok()?,
    })
}

fn chosen<'a>(all: &'a [Target], names: &[String]) -> Result<Vec<&'a Target>> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let known = || all.iter().map(|target| target.name.as_str());
    let find = |name: &String| {
        let found = all.iter().find(|target| target.name == *name);
        found.with_context(|| {
            let known: Vec<&str> = known().collect();
            format!("there is no target {name}; there are {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}

/// A target being fuzzed.
struct Fuzzing<'a> {
    target: &'a Target,
    program: PathBuf,
    folder: &'a Path,
}

impl Fuzzing<'_> {
    /// Prints the outcome in a line; false if an input broke something.
    fn run(&self, seconds: u32) -> Result<bool> {
        let name = &self.target.name;
        let kept = workspace::root().join("fuzz/regressions").join(name);
        fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
        let output = self
            .command(seconds, &kept)
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        // Fails if it has any inputs, which are kept.
        let _ = fs::remove_dir(&kept);
        let log = String::from_utf8_lossy(&output.stderr);
        fs::write(self.folder.join(format!("{name}.log")), &*output.stderr)
            .context("cannot keep what the fuzz target said")?;
        let Some(progress) = Progress::of(&log).filter(|_| output.status.success()) else {
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN)..];
            eprintln!("{}", shown.join("\n"));
            println!("{name}: broken ({}), see {}", output.status, kept.display());
            return Ok(false);
        };
        println!("{name}: {progress}");
        Ok(true)
    }

    fn command(&self, seconds: u32, kept: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(LIMITS)
            .arg(format!("-max_len={}", self.target.max_bytes))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", kept.display()))
            .arg(self.folder.join("corpus").join(&self.target.name))
            // Inputs that once broke something lead to similar ones.
            .arg(kept);
        command
    }
}

/// libFuzzer's first and last status lines.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    inputs: u64,
    /// Edges of the code that the inputs reach.
    edges: [u64; 2],
}

impl Progress {
    /// Reads lines like `#4158 INITED cov: 306 ft: 980 corp: …`.
    fn of(log: &str) -> Option<Self> {
        let told = |what: &str| {
            let mut words = log
                .lines()
                .rev()
                .map(|line| line.split_ascii_whitespace())
                .find(|words| words.clone().nth(1) == Some(what))?;
            let inputs = words.next()?.strip_prefix('#')?.parse().ok()?;
            let edges = words.skip_while(|word| *word != "cov:").nth(1)?;
            Some((inputs, edges.parse().ok()?))
        };
        let ((_, begun), (inputs, ended)) = (told("INITED")?, told("DONE")?);
        Some(Self {
            inputs,
            edges: [begun, ended],
        })
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [begun, ended] = self.edges;
        write!(to, "{} inputs, {begun} to {ended} edges", self.inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_what_libfuzzer_says_first_and_last() {
        let log = "INFO: seed corpus: files: 3\n\
            #4\tINITED cov: 306 ft: 380 corp: 3/13Kb exec/s: 0 rss: 31Mb\n\
            #6\tNEW    cov: 308 ft: 395 corp: 4/13Kb lim: 8192 exec/s: 0 rss: 31Mb\n\
            #7794\tDONE   cov: 613 ft: 7131 corp: 124/11Kb lim: 1105 exec/s: 599 rss: 50Mb\n";
        let progress = Progress::of(log).unwrap();
        assert_eq!(progress.to_string(), "7794 inputs, 306 to 613 edges");
        assert_eq!(Progress::of("#4\tINITED cov: 306 ft: 380\n"), None);
    }

    #[test]
    fn targets_are_taken_by_name_or_all() {
        let all: Vec<Target> = ["heap 4096", "types 64"]
            .into_iter()
            .filter_map(target)
            .collect();
        let names = |asked: &[&str]| -> Result<Vec<String>> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            let chosen = chosen(&all, &asked)?;
            Ok(chosen.iter().map(|target| target.name.clone()).collect())
        };
        assert_eq!(names(&[]).unwrap(), ["heap", "types"]);
        assert_eq!(names(&["types"]).unwrap(), ["types"]);
        let refused = names(&["type"]).unwrap_err().to_string();
        assert_eq!(refused, "there is no target type; there are heap, types");
        assert_eq!(target("heap"), None);
    }
}
