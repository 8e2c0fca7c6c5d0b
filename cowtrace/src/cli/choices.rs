//! Arguments that take one of a few fixed values.

use std::path::Path;

use clap::ValueEnum;

/// Formats of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// Everything, in the schema cowtrace.report/1
    Json,
    /// The histogram, one line per process and range
    Csv,
    /// A page for the browser, in one file that needs nothing else
    Html,
    /// The stacks that wrote, one per line, for flame graph tools
    Folded,
    /// The stacks that wrote, for pprof and other tools that read its profiles
    Pprof,
}

/// Formats of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people
    Text,
    /// Everything, in the schema cowtrace.diff/1
    Json,
    /// One page of tables
    Html,
}

/// The format that a file's name ends in; none if it ends in no format's name.
pub(super) fn format_of_name<F: ValueEnum + Clone>(output: &Path) -> Option<F> {
    let name = output.file_name()?.to_str()?;
    let ending = match name.rsplit_once('.')?.1 {
        "htm" => "html",
        "gz" if name.ends_with(".pb.gz") => "pprof",
        ending => ending,
    };
    let mut formats = F::value_variants().iter();
    let is_named = |format: &&F| {
        let value = format.to_possible_value();
        value.is_some_and(|value| value.get_name() == ending)
    };
    formats.find(is_named).cloned()
}

/// Backends by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// The first of the following that this kernel allows
    Auto,
    /// Trampolines in the kernel's fault handlers (fentry): sees everything, costs least
    Trampoline,
    /// Kernel probes on the same functions: sees everything, costs more
    Kprobe,
    /// Raw tracepoints (x86-64): for kernels that refuse the others
    Tracepoint,
}

impl BackendName {
    /// The backend's name; none to choose the best available one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Trampoline => Some("trampoline"),
            Self::Kprobe => Some("kprobe"),
            Self::Tracepoint => Some("tracepoint"),
        }
    }
}

/// Of how many copies it is found out who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Overhead {
    /// Of one in 16 at most
    Low,
    /// Of each, and of fewer when copies come too fast
    Normal,
    /// Of each; when copies come too fast, evidence is lost
    Full,
}

/// Whether to look for the variables that hold what was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Holders {
    /// If the program runs a supported version of CPython
    Auto,
    /// Never
    Off,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether output that is (or is not) a terminal gets colour.
    #[must_use]
    pub fn applies(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                is_terminal
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && !is_dumb()
            }
        }
    }
}

/// Whether the terminal can only show plain text (terminfo(5)).
#[must_use]
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The size of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeChoice {
    /// Chosen so that the histogram holds all of the targets' memory.
    Auto,
    /// Bytes: a power of two, at least a page.
    Bytes(u64),
}
