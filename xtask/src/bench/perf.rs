//! The kernel's own tool: perf records page faults or prints each of them. It cannot say which of them copied a page, and
//! it may lose some.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::tracer::{Ending, Sign, Tracer};
use crate::archive::Scratch;

/// From the mapped buffers to the events being switched on. perf does not say when they are.
const SWITCHED_ON: Duration = Duration::from_millis(200);
/// Most that perf trace takes to its first line.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks for that line.
const LOOK: Duration = Duration::from_millis(50);
/// The name of the measured process.
const WORKLOAD: &str = "workload";

/// What perf does with the faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Writes the workload's into a file.
    Record,
    /// Prints the whole machine's: given a process, it does not follow the children, which copy.
    Trace,
}

/// A running perf.
pub(crate) struct Perf {
    kind: Kind,
    tracer: Tracer,
    scratch: Scratch,
}

impl Perf {
    /// Starts it, and waits until it is attached.
    pub(crate) fn start(kind: Kind, workload: u32) -> Result<Self> {
        let scratch = Scratch::new("perf")?;
        let pid = workload.to_string();
        let mut perf = Command::new("perf");
        match kind {
            Kind::Record => perf.args(["record", "-q", "-e", "page-faults", "-c", "1", "-p", &pid]),
            Kind::Trace => perf.args(["trace", "-F", "all", "--no-syscalls", "-a"]),
        };
        perf.arg("-o").arg(file(&scratch));
        let tracer = Tracer::start(
            &mut perf,
            Sign::Process(has_buffers),
            Ending::InterruptAgain,
        )?;
        match kind {
            Kind::Record => thread::sleep(SWITCHED_ON),
            Kind::Trace => wait_for_print(&file(&scratch))?,
        }
        Ok(Self {
            kind,
            tracer,
            scratch,
        })
    }

    /// Ends it; returns how many faults of the workload it saw.
    pub(crate) fn faults(self) -> Result<u64> {
        self.tracer.finish()?;
        let file = file(&self.scratch);
        match self.kind {
            Kind::Record => recorded(&file),
            Kind::Trace => {
                let text = File::open(&file);
                let text = text.with_context(|| format!("cannot read {}", file.display()))?;
                printed(BufReader::new(text))
            }
        }
    }
}

fn file(scratch: &Scratch) -> PathBuf {
    scratch.path().join("faults")
}

/// Waits until perf trace prints: before the first line it reads the kernel's symbols, for a second and more. Each look
/// starts a program, so that there are faults to print.
fn wait_for_print(file: &Path) -> Result<()> {
    let begun = Instant::now();
    while fs::metadata(file).map_or(0, |file| file.len()) == 0 {
        ensure!(begun.elapsed() < PATIENCE, "perf trace prints no faults");
        Command::new("true").status().context("cannot start true")?;
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Whether the process has mapped buffers for the kernel's events.
fn has_buffers(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/maps"))
        .is_ok_and(|maps| maps.contains("anon_inode:[perf_event]"))
}

/// The workload's faults in a file of `perf record`.
fn recorded(file: &Path) -> Result<u64> {
    let output = Command::new("perf")
        .args(["script", "-F", "comm", "-i"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .context("cannot start perf script")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "perf script cannot read what was recorded: {}",
            errors.trim()
        );
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.lines().filter(|name| name.trim() == WORKLOAD).count() as u64)
}

/// The workload's faults in what `perf trace` printed.
fn printed(mut text: impl BufRead) -> Result<u64> {
    let mut line = Vec::new();
    let mut faults = 0;
    while text.read_until(b'\n', &mut line)? > 0 {
        if is_the_workloads(&String::from_utf8_lossy(&line)) {
            faults += 1;
        }
        line.clear();
    }
    Ok(faults)
}

/// Of a line such as `3209.996 ( 0.000 ms): workload/11974 minfault [main+0x8b] => 0x55f1225604f8 (?.)`.
fn is_the_workloads(line: &str) -> bool {
    let process = line.split_once("): ").map(|(_, rest)| rest);
    let name = process.and_then(|rest| rest.split_once('/'));
    name.is_some_and(|(name, rest)| name == WORKLOAD && rest.contains(" minfault "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workloads_faults_are_counted() {
        let text = "  32.1 ( 0.000 ms): workload/119 minfault [main+0x8b] => 0x55f1 (?.)\n\
                    33.0 ( 0.000 ms): cargo/7 minfault [a workload/3 minfault ] => 0x7f (?.)\n\
                    LOST 12 events!\n\
                    34.0 ( 0.000 ms): workload/119 majfault [main+0x8b] => 0x55f2 (d.)\n";
        assert_eq!(printed(text.as_bytes()).unwrap(), 1);
    }

    #[test]
    fn this_process_has_no_buffers_for_events() {
        assert!(!has_buffers(std::process::id()));
        assert!(!has_buffers(0));
    }
}
