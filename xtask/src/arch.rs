//! Differences between the architectures: names, the emulator, the console.

use std::env;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::packages::Need;

/// An architecture that cowtrace supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// x86-64
    #[value(name = "x86_64")]
    X86_64,
    /// arm64
    Aarch64,
}

impl Arch {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// That of this machine.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let here = Self::ALL.into_iter().find(|arch| arch.is_here());
        here.with_context(|| format!("cowtrace does not run on {}", env::consts::ARCH))
    }

    /// The kernel's and the compiler's name for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Debian's name for it.
    pub(crate) const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The compiler's target.
    pub(crate) fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.name())
    }

    /// Whether this machine has it.
    pub(crate) fn is_here(self) -> bool {
        env::consts::ARCH == self.name()
    }

    /// The program that emulates it.
    pub(crate) const fn emulator(self) -> Need {
        let (program, packages): (_, &[_]) = match self {
            Self::X86_64 => ("qemu-system-x86_64", &["qemu-system-x86"]),
            // A kernel that is given directly needs no firmware.
            Self::Aarch64 => ("qemu-system-aarch64", &["qemu-system-arm"]),
        };
        Need {
            program,
            packages,
            why: "kernels are tested in virtual machines",
        }
    }

    /// The machine and the processor it emulates.
    pub(crate) const fn emulated(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["-cpu", "max"],
            // `max` emulates pointer authentication, which takes time and tests nothing here.
            Self::Aarch64 => &["-machine", "virt", "-cpu", "cortex-a57"],
        }
    }

    /// The machine and the processor with acceleration.
    pub(crate) const fn accelerated(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["-cpu", "host"],
            Self::Aarch64 => &["-machine", "virt", "-cpu", "host"],
        }
    }

    /// The kernel's name for the serial line.
    pub(crate) const fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Aarch64 => "ttyAMA0",
        }
    }
}
