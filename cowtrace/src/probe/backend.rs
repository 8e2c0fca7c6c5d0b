//! What a backend is, and what a trace wants from it.

use std::path::Path;

use super::{
    attached::Probe,
    error::ProbeError,
    kernel::{self, Kernel},
};

/// What a trace wants from the kernel side.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Size of a range, bytes: a power of two, at least a page.
    pub range_bytes: u64,
    /// Which stacks of writers to walk; `None` to take no evidence of who wrote.
    pub writers: Option<Walks>,
    /// Of which copies evidence of who wrote is taken.
    pub sampling: Sampling,
    /// Bytes of each ring of evidence, a power of two; by the machine if `None`.
    pub ring_bytes: Option<u32>,
    /// Most threads that are traced at one time, and twice the processes; by the tables if `None`.
    pub slots: Option<u32>,
    /// Whether to find out what the instructions of writers did, as far as that costs little here.
    pub stores: bool,
    /// Whether to count first touches of new memory beside copies.
    pub touches: bool,
    /// Whether the kernel side logs diagnostics.
    pub diagnostics: bool,
}

/// Binary logarithms of the copies of which evidence is taken of one.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// When all of it can be read.
    pub least: u32,
    /// When copies come too fast.
    pub most: u32,
}

impl Sampling {
    /// From every copy to one in 1,024: a processor then makes some 500 records a second.
    pub const ADAPTIVE: Self = Self { least: 0, most: 10 };
    /// One in 16 at most: it costs little more than counting alone, and the figure of a writer of a tenth of
    /// 100,000 copies is off by some 4 % of it.
    pub const SPARSE: Self = Self { least: 4, most: 10 };
    /// Every copy.
    pub const ALL: Self = Self { least: 0, most: 0 };
}

/// Which stacks to walk for the evidence of who wrote.
#[derive(Clone, Copy, Debug)]
pub struct Walks {
    /// Python stacks.
    pub python: bool,
    /// Native stacks.
    pub native: bool,
}

/// A way to see write faults.
pub trait Backend {
    /// Its name on the command line and in reports.
    fn name(&self) -> &'static str;
    /// Loads the backend and attaches its hooks. No process is traced yet. This is the only test of
    /// whether the kernel allows it. Known obstacles are reported before anything is loaded, in plainer
    /// words than the kernel's.
    fn attach(&self, kernel: &Kernel, settings: Settings) -> Result<Probe, ProbeError>;
}

/// Checks what every backend needs before anything is loaded, so that the message names the cause and not
/// a failed system call.
pub(super) fn check_ground(root: &Path) -> Result<(), ProbeError> {
    check_privileges(root)?;
    check_surroundings(root)
}

/// Whether this process may trace.
pub(super) fn check_privileges(root: &Path) -> Result<(), ProbeError> {
    // First: whichever capabilities this process has or lacks in such a namespace, sudo does not help.
    if !kernel::in_initial_user_namespace(root) {
        return Err(ProbeError::UserNamespace);
    }
    let missing = kernel::missing_capabilities(root);
    if !missing.is_empty() {
        return Err(ProbeError::Privilege(missing));
    }
    Ok(())
}

/// Whether the place that this process runs in lets anybody trace.
pub(super) fn check_surroundings(root: &Path) -> Result<(), ProbeError> {
    if kernel::is_locked_down() {
        return Err(ProbeError::Lockdown);
    }
    if !kernel::in_initial_pid_namespace(root) {
        return Err(ProbeError::PidNamespace);
    }
    Ok(())
}
