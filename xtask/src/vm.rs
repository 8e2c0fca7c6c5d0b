//! `cargo xtask vm`: other kernels in virtual machines. Each machine has only a kernel, three programs and
//! Debian's Python, which run every case with every backend and report the counts. Needs no root (except
//! to install QEMU) and no hardware acceleration.

mod conditions;
mod confinement;
mod console;
mod initramfs;
pub(crate) mod instructions;
mod kernels;
mod lockdown;
mod programs;
mod python;
mod qemu;
mod table;
mod verdict;

use std::{
    collections::{BTreeMap, VecDeque},
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::{
    conditions::Conditions,
    console::Transcript,
    initramfs::Initramfs,
    kernels::Choice,
    qemu::{Accelerator, Guest},
    verdict::Verdict,
};
pub(crate) use self::{programs::Installed, qemu::FIRST_PROCESS};
use crate::{arch::Arch, packages, say, setup};

/// The kernels of Debian's stable releases: quick enough for every change.
const USUAL: [&str; 2] = ["6.1", "6.12"];
/// From the oldest kernel that cowtrace supports to the newest one available.
const ALL: [(Arch, &[&str]); 2] = [
    (Arch::X86_64, &["5.10", "6.1", "6.12", "6.19", "7.0", "7.3"]),
    (Arch::Aarch64, &["6.1", "6.12"]),
];
const BACKENDS: [&str; 3] = ["trampoline", "kprobe", "tracepoint"];

/// What to boot.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Kernels: versions such as 6.12, found in Debian's archive, or files (bzImage, Image)
    #[arg(long = "kernel", value_name = "VERSION|FILE", num_args = 1..)]
    kernels: Vec<Choice>,
    /// The machine to emulate
    #[arg(long, value_enum, default_value_t = Arch::X86_64)]
    arch: Arch,
    /// Every kernel on every architecture
    #[arg(long, conflicts_with_all = ["kernels", "arch"])]
    all: bool,
    /// Backends to try
    #[arg(long = "backend", value_name = "NAME", num_args = 1.., default_values = BACKENDS)]
    backends: Vec<String>,
    /// Cases to run, by their names; all by default. One that is named twice runs twice
    #[arg(long = "case", value_name = "NAME", num_args = 1..)]
    cases: Vec<String>,
    #[command(flatten)]
    conditions: Conditions,
    /// Take the newest packages again instead of the kernels that are there
    #[arg(long)]
    refresh: bool,
    /// Seconds until a machine is taken to hang
    #[arg(long, value_name = "SECONDS", default_value_t = 1200)]
    timeout: u64,
    /// Write what was counted as Markdown
    #[arg(long, value_name = "FILE")]
    write_table: Option<PathBuf>,
}

impl Options {
    /// The requested machines.
    fn machines(&self) -> Vec<(Arch, Choice)> {
        let versions = |arch: Arch, versions: &[&str]| -> Vec<_> {
            versions
                .iter()
                .map(|version| (arch, Choice::Version((*version).to_owned())))
                .collect()
        };
        if self.all {
            return ALL
                .iter()
                .flat_map(|(arch, known)| versions(*arch, known))
                .collect();
        }
        if self.kernels.is_empty() {
            return versions(self.arch, &USUAL);
        }
        let chosen = self.kernels.iter();
        chosen.map(|kernel| (self.arch, kernel.clone())).collect()
    }

    /// The backends of each machine with a kernel: one each where processors would be idle otherwise. In a table, a
    /// kernel has one column.
    fn backends_of_machines(&self, kernels: usize) -> Vec<Vec<String>> {
        if kernels < at_a_time() && self.write_table.is_none() {
            let each = self.backends.iter();
            return each.map(|backend| vec![backend.clone()]).collect();
        }
        vec![self.backends.clone()]
    }
}

/// The outcome of a machine's run.
struct Outcome {
    arch: Arch,
    /// The kernel's own name, or the requested one if it did not start.
    kernel: String,
    verdict: Verdict,
    faults: Vec<String>,
}

/// Boots every machine, and fails if anything was wrong in any of them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let machines = options.machines();
    setup::ensure()?;
    let mut outcomes = Vec::new();
    for arch in Arch::ALL {
        let wanted = machines.iter().filter(|(other, _)| *other == arch);
        let wanted: Vec<&Choice> = wanted.map(|(_, kernel)| kernel).collect();
        if !wanted.is_empty() {
            outcomes.extend(run_on(arch, &wanted, options)?);
        }
    }
    if let Some(path) = &options.write_table {
        let text = table::markdown(&outcomes, &table::today()?);
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let wrong: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.faults.is_empty())
        .map(|outcome| format!("{} {}", outcome.arch.name(), outcome.kernel))
        .collect();
    if !wrong.is_empty() {
        bail!("wrong on {}; see above", wrong.join(", "));
    }
    say("every kernel counted as expected");
    Ok(())
}

/// Runs all kernels of an architecture, several at a time: a machine keeps about one processor
/// busy.
fn run_on(arch: Arch, kernels: &[&Choice], options: &Options) -> Result<Vec<Outcome>> {
    packages::ensure(&[arch.emulator()])?;
    let mut files = programs::build(arch)?;
    files.extend(python::files(arch)?);
    if let Some(confined) = options.conditions.confined {
        files.push(confined.file()?);
    }
    let runner = Runner {
        arch,
        initramfs: Initramfs::build("vm", &files, arch)?,
        options,
        accelerator: OnceLock::new(),
    };
    let images = kernels.iter().flat_map(|kernel| {
        let groups = options.backends_of_machines(kernels.len());
        groups.into_iter().map(move |backends| {
            let image = kernels::image(kernel, arch, options.refresh);
            (*kernel, image, backends)
        })
    });
    let waiting = Mutex::new(images.enumerate().collect::<VecDeque<_>>());
    let outcomes = Mutex::new(BTreeMap::new());
    // Outside the loop's condition, which would hold the lock while a machine runs.
    let next = || locked(&waiting).pop_front();
    let work = || {
        while let Some((place, (kernel, image, backends))) = next() {
            let outcome = runner.run(kernel, image, backends);
            let _ = verdict::print(&outcome, &mut io::stdout().lock());
            locked(&outcomes).insert(place, outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_a_time() {
            scope.spawn(work);
        }
    });
    let outcomes = std::mem::take(&mut *locked(&outcomes));
    Ok(outcomes.into_values().collect())
}

/// Boots a kernel with nothing but these files, one of which is its first process.
pub(crate) fn boot_bare(
    arch: Arch,
    kernel: &str,
    files: &[Installed],
    limit: Duration,
) -> Result<Transcript> {
    packages::ensure(&[arch.emulator()])?;
    let kernel = Choice::Version(kernel.to_owned());
    let guest = Guest {
        arch,
        kernel: kernels::image(&kernel, arch, false)?,
        initramfs: Initramfs::build("bare", files, arch)?.path().to_path_buf(),
        accelerator: Accelerator::Emulation,
        backends: Vec::new(),
        cases: Vec::new(),
        arguments: Vec::new(),
        counts_instructions: false,
    };
    guest.boot(limit)
}

/// How many machines run at a time.
fn at_a_time() -> usize {
    thread::available_parallelism().map_or(1, |processors| processors.get().min(2))
}

/// The value behind a lock, even if a thread panicked while holding it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the machines of an architecture share.
struct Runner<'a> {
    arch: Arch,
    initramfs: Initramfs,
    options: &'a Options,
    accelerator: OnceLock<Accelerator>,
}

impl Runner<'_> {
    /// A kernel that cannot be obtained fails by itself; the others still run.
    fn run(&self, kernel: &Choice, image: Result<PathBuf>, backends: Vec<String>) -> Outcome {
        match image.and_then(|image| self.boot(kernel, image, backends)) {
            Ok(transcript) => {
                let mut verdict = Verdict::read(&transcript.lines);
                for result in &mut verdict.results {
                    result.ok = self.options.conditions.are_met_by(result);
                }
                Outcome {
                    arch: self.arch,
                    kernel: verdict.kernel.clone().unwrap_or_else(|| kernel.to_string()),
                    faults: verdict.faults(self.arch, self.options.conditions, &transcript),
                    verdict,
                }
            }
            Err(error) => Outcome {
                arch: self.arch,
                kernel: kernel.to_string(),
                verdict: Verdict::default(),
                faults: vec![format!("{error:#}")],
            },
        }
    }

    fn boot(&self, kernel: &Choice, image: PathBuf, backends: Vec<String>) -> Result<Transcript> {
        let mut guest = Guest {
            arch: self.arch,
            kernel: image,
            initramfs: self.initramfs.path().to_path_buf(),
            accelerator: Accelerator::Emulation,
            backends,
            cases: self.options.cases.clone(),
            arguments: self.options.conditions.arguments(),
            counts_instructions: false,
        };
        guest.accelerator = *self.accelerator.get_or_init(|| qemu::fastest(&guest));
        let (arch, how) = (self.arch.name(), guest.accelerator.name());
        say(&format!("booting {kernel} on {arch} ({how})"));
        let transcript = guest.boot(Duration::from_secs(self.options.timeout))?;
        let seconds = transcript.took.as_secs();
        say(&format!("{kernel} on {arch} ended after {seconds} s"));
        Ok(transcript)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn machines(arguments: &[&str]) -> Vec<String> {
        let words = std::iter::once("vm").chain(arguments.iter().copied());
        let machines = Line::try_parse_from(words).unwrap().options.machines();
        let text = |(arch, kernel): &(Arch, Choice)| format!("{} {kernel}", arch.name());
        machines.iter().map(text).collect()
    }

    #[test]
    fn the_usual_kernels_are_booted_unless_others_are_named() {
        assert_eq!(machines(&[]), ["x86_64 6.1", "x86_64 6.12"]);
        assert_eq!(
            machines(&["--arch", "aarch64", "--kernel", "6.12"]),
            ["aarch64 6.12"]
        );
        assert_eq!(
            machines(&["--kernel", "7.3", "boot/bzImage"]),
            ["x86_64 7.3", "x86_64 boot/bzImage"]
        );
    }

    #[test]
    fn all_means_both_architectures() {
        let all = machines(&["--all"]);
        assert_eq!(all.len(), 8);
        assert_eq!(all[0], "x86_64 5.10");
        assert_eq!(all[7], "aarch64 6.12");
    }
}
