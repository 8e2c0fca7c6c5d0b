//! What is attached while the workload runs, and whether it really traced.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{
    pairing,
    perf::{self, Perf},
    tracer::{Ending, Sign, Tracer},
};

/// A variant to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing.
    Untraced,
    /// Empty programs on cowtrace's hooks.
    Empty,
    /// cowtrace, counting the workload's copies.
    Counting,
    /// cowtrace as it is by default, with evidence of who wrote.
    Cowtrace,
    /// The same, without what the writes' instructions did.
    NoStores,
    /// cowtrace with native stacks of 16 calls.
    Stacks,
    /// The same, with as many calls as it keeps.
    DeepStacks,
    /// cowtrace tracing another process: the cost for every other process on the machine.
    Outsider,
    /// bpftrace, counting the same.
    Bpftrace,
    /// perf, recording the workload's page faults.
    PerfRecord,
    /// perf, printing the machine's page faults.
    PerfTrace,
    /// Nothing, with CPython as the process.
    PythonUntraced,
    /// The same, counting.
    PythonCounting,
    /// The same, with evidence of the written types, without Python lines.
    PythonTypes,
    /// The same, without what the writes' instructions did.
    PythonNoStores,
    /// The same, with lines: cowtrace as it is by default.
    PythonLines,
}

impl Variant {
    pub(crate) const ALL: [Self; 16] = [
        Self::Untraced,
        Self::Empty,
        Self::Counting,
        Self::Cowtrace,
        Self::NoStores,
        Self::Stacks,
        Self::DeepStacks,
        Self::Outsider,
        Self::Bpftrace,
        Self::PerfRecord,
        Self::PerfTrace,
        Self::PythonUntraced,
        Self::PythonCounting,
        Self::PythonTypes,
        Self::PythonNoStores,
        Self::PythonLines,
    ];

    /// Which process is measured.
    pub(crate) const fn subject(self) -> Subject {
        match self {
            Self::PythonUntraced
            | Self::PythonCounting
            | Self::PythonTypes
            | Self::PythonNoStores
            | Self::PythonLines => Subject::Python,
            _ => Subject::Native,
        }
    }

    /// The variant to which its cost is added: the same process, untraced.
    pub(crate) const fn base(self) -> Self {
        match self.subject() {
            Subject::Native => Self::Untraced,
            Subject::Python => Self::PythonUntraced,
        }
    }

    /// Its name in the table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Untraced => "untraced",
            Self::Empty => "empty programs, same hooks",
            Self::Counting => "cowtrace --no-writers",
            Self::Cowtrace => "cowtrace",
            Self::NoStores => "cowtrace, no stores told",
            Self::Stacks => "cowtrace --stacks, 16 calls",
            Self::DeepStacks => "cowtrace --stacks, 64 calls",
            Self::Outsider => "cowtrace, other process traced",
            Self::Bpftrace => "bpftrace, fault + allocation",
            Self::PerfRecord => "perf record, page faults",
            Self::PerfTrace => "perf trace -a, page faults",
            Self::PythonUntraced => "CPython, untraced",
            Self::PythonCounting => "CPython, --no-writers",
            Self::PythonTypes => "CPython, --no-frames",
            Self::PythonNoStores => "CPython, no stores told",
            Self::PythonLines => "CPython, 16 frames",
        }
    }

    /// How deep the workload's calls are, without the leaf and the outermost known call.
    pub(crate) const fn calls(self) -> u32 {
        match self {
            Self::DeepStacks => 62,
            _ => 14,
        }
    }

    /// Attaches it.
    pub(crate) fn attach(self, binaries: &Path, workload: u32) -> Result<Attached> {
        let cowtrace = binaries.join("cowtrace");
        let (mut bystander, mut perf) = (None, None);
        let tracer = match self {
            Self::Untraced | Self::PythonUntraced => None,
            Self::PerfRecord => {
                perf = Some(Perf::start(perf::Kind::Record, workload)?);
                None
            }
            Self::PerfTrace => {
                perf = Some(Perf::start(perf::Kind::Trace, workload)?);
                None
            }
            Self::Empty => Some(empty_hooks(&cowtrace)?),
            Self::Counting | Self::PythonCounting => {
                Some(trace(&cowtrace, workload, &["--no-writers"])?)
            }
            Self::PythonTypes => Some(trace(&cowtrace, workload, &["--no-frames"])?),
            Self::Cowtrace | Self::PythonLines => Some(trace(&cowtrace, workload, &[])?),
            Self::NoStores | Self::PythonNoStores => {
                Some(trace(&cowtrace, workload, &["--__no-stores"])?)
            }
            Self::Stacks | Self::DeepStacks => Some(trace(&cowtrace, workload, &["--stacks"])?),
            Self::Outsider => {
                let other = Bystander::start()?;
                let tracer = trace(&cowtrace, other.0.id(), &[])?;
                bystander = Some(other);
                Some(tracer)
            }
            Self::Bpftrace => Some(Tracer::start(
                &mut pairing::command(),
                Sign::Line("ready"),
                Ending::Interrupt,
            )?),
        };
        Ok(Attached {
            variant: self,
            tracer,
            perf,
            _bystander: bystander,
        })
    }
}

/// Empty programs on cowtrace's hooks.
fn empty_hooks(cowtrace: &Path) -> Result<Tracer> {
    let mut command = Command::new(cowtrace);
    command.arg("__empty-hooks");
    Tracer::start(&mut command, Sign::Line("ready"), Ending::EndOfInput)
}

/// cowtrace on a process, with its histogram as CSV at the end.
pub(crate) fn trace(cowtrace: &Path, pid: u32, more: &[&str]) -> Result<Tracer> {
    trace_as("csv", cowtrace, pid, more)
}

/// cowtrace on a process, with a report in a format at the end.
pub(crate) fn trace_as(format: &str, cowtrace: &Path, pid: u32, more: &[&str]) -> Result<Tracer> {
    let mut command = Command::new(cowtrace);
    command
        .args(["--pid", &pid.to_string(), "--format", format, "-v"])
        .arg("--no-keep")
        .args(more);
    Tracer::start(&mut command, Sign::Line("tracing"), Ending::Interrupt)
}

/// An attached variant.
pub(crate) struct Attached {
    variant: Variant,
    tracer: Option<Tracer>,
    perf: Option<Perf>,
    _bystander: Option<Bystander>,
}

impl Attached {
    /// Detaches it, and fails if it did not see the copies. perf may lose some: of it, the share that it saw.
    pub(crate) fn detach(self, copies: u64) -> Result<Option<f64>> {
        if let Some(perf) = self.perf {
            // It sees the faults of the code around the copies, too.
            let seen = perf.faults()?.min(copies);
            return Ok(Some(seen as f64 / copies as f64));
        }
        let Some(tracer) = self.tracer else {
            return Ok(None);
        };
        let output = tracer.finish()?;
        let seen = match self.variant {
            // It counts the whole machine, and other processes copy too.
            Variant::Bpftrace => pairing::copies(&output).min(copies),
            Variant::Empty | Variant::Outsider => return Ok(None),
            _ => histogram(&output)?.copied_pages,
        };
        check(self.variant.title(), seen, copies, self.variant.subject())?;
        Ok(None)
    }
}

/// A measured process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The `workload` program.
    Native,
    /// CPython.
    Python,
}

impl Subject {
    pub(crate) const ALL: [Self; 2] = [Self::Native, Self::Python];

    /// Most copies by the fork and by the code around the writing: never 2 % of those measured,
    /// although an interpreter writes some 100 pages of its own.
    const fn others(self, copies: u64) -> u64 {
        match self {
            Self::Native => copies / 50,
            Self::Python => copies / 20,
        }
    }
}

fn check(title: &str, seen: u64, copies: u64, subject: Subject) -> Result<()> {
    if seen < copies || seen > copies + subject.others(copies) {
        bail!("{title} saw {seen} copies of {copies}: its cost would say nothing");
    }
    Ok(())
}

/// A process that does nothing.
struct Bystander(Child);

impl Bystander {
    fn start() -> Result<Self> {
        let child = Command::new("sleep")
            .arg("3600")
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start sleep")?;
        Ok(Self(child))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sums of cowtrace's CSV.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    pub(crate) ranges: usize,
    pub(crate) copied_pages: u64,
}

/// Reads the needed columns by name. Here no field before them contains a comma or a line break,
/// because the workload's mappings have plain names.
pub(crate) fn histogram(csv: &str) -> Result<Histogram> {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = header
        .iter()
        .position(|name| *name == "copied_pages")
        .context("cowtrace's CSV has no column copied_pages")?;
    let counts = lines
        .map(|line| {
            let field = line.split(',').nth(column);
            field
                .and_then(|field| field.parse().ok())
                .with_context(|| format!("cowtrace's CSV has a line without a count: {line}"))
        })
        .collect::<Result<Vec<u64>>>()?;
    Ok(Histogram {
        ranges: counts.iter().filter(|&&pages| pages > 0).count(),
        copied_pages: counts.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_is_read_by_its_header() {
        let csv = "pid,start,copied_pages,reused_faults\n7,0x1000,16,0\n7,0x11000,0,3\n8,,4,0\n";
        assert_eq!(
            histogram(csv).unwrap(),
            Histogram {
                ranges: 2,
                copied_pages: 20
            }
        );
        assert!(histogram("").is_err());
        assert!(histogram("pid,copied_pages\n7").is_err());
    }

    #[test]
    fn a_tracer_that_missed_copies_is_not_measured() {
        let check = |seen| check("a", seen, 65_536, Subject::Native);
        assert!(check(65_536).is_ok() && check(65_700).is_ok());
        assert!(check(65_535).is_err() && check(131_072).is_err());
    }
}
