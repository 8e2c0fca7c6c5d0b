//! A virtual machine: how to start QEMU for it, and whether it can be accelerated.

use std::{
    fs::OpenOptions,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use super::{
    console::{self, Transcript},
    verdict::Verdict,
};
use crate::{arch::Arch, privilege, say};

/// Long enough for an empty machine on working hardware; emulation manages it too.
const TRIAL: Duration = Duration::from_secs(8);

/// As many processors as the largest case has simultaneous writers.
const PROCESSORS: &str = "4";

/// The path of a machine's first process, without the leading slash.
pub(crate) const FIRST_PROCESS: &str = "bin/guest";

/// What executes the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU's emulation: works everywhere, some twenty times slower.
    Emulation,
}

impl Accelerator {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Emulation => "emulated",
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            // One thread for all processors. With several, a processor may execute the breakpoint
            // that the kernel puts into a function while attaching a trampoline there, after the
            // kernel was told that no processor does any more, and the machine crashes.
            Self::Emulation => "tcg,thread=single",
        }
    }
}

/// A machine to boot.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) arch: Arch,
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    pub(crate) accelerator: Accelerator,
    pub(crate) backends: Vec<String>,
    /// The cases to run; all if none is named.
    pub(crate) cases: Vec<String>,
    /// More words for the kernel's command line.
    pub(crate) arguments: Vec<String>,
    /// Whether each instruction of its one processor moves its clock by a nanosecond, and nothing else does: so that it
    /// measures instructions. Only under emulation.
    pub(crate) counts_instructions: bool,
}

impl Guest {
    /// Boots it and reads its output until it ends or its time is over.
    pub(crate) fn boot(&self, limit: Duration) -> Result<Transcript> {
        console::listen(&mut self.command(), limit)
    }

    fn command(&self) -> Command {
        let mut command = bound_to_us(self.arch.emulator().program);
        command
            .args(["-accel", self.accelerator.argument()])
            .args(match self.accelerator {
                Accelerator::Kvm => self.arch.accelerated(),
                Accelerator::Emulation => self.arch.emulated(),
            })
            .args(["-m", "1024", "-smp", self.processors()])
            .args(self.clock())
            // Only a console: every further device is searched for at boot.
            .args(["-no-user-config", "-nodefaults", "-display", "none"])
            .args(["-serial", "stdio", "-no-reboot"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", &self.kernel_arguments()])
            .stdin(Stdio::null());
        command
    }

    /// The instructions of several processors would move the same clock.
    const fn processors(&self) -> &'static str {
        if self.counts_instructions {
            "1"
        } else {
            PROCESSORS
        }
    }

    /// One nanosecond (2^0) for each instruction; an idle machine goes on to its next timer at once.
    const fn clock(&self) -> &'static [&'static str] {
        if self.counts_instructions {
            &["-icount", "shift=0,sleep=off"]
        } else {
            &[]
        }
    }

    /// `panic=-1` ends the machine at once; the options that begin with `cowtrace.` are for the guest.
    fn kernel_arguments(&self) -> String {
        let own = format!(
            "console={} quiet panic=-1 rdinit=/{FIRST_PROCESS} cowtrace.backends={} cowtrace.cases={}",
            self.arch.console(),
            self.backends.join(","),
            self.cases.join(",")
        );
        let words = std::iter::once(&own).chain(&self.arguments);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// A program that the kernel kills when this process ends, for any reason.
fn bound_to_us(program: &str) -> Command {
    if privilege::find_program("setpriv").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// Hardware acceleration if it works. An existing /dev/kvm proves little: inside another virtual
/// machine it may hang. So an empty machine must boot and stop with it first.
pub(crate) fn fastest(guest: &Guest) -> Accelerator {
    let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if !guest.arch.is_here() || device.is_err() {
        return Accelerator::Emulation;
    }
    let idle = Guest {
        accelerator: Accelerator::Kvm,
        backends: Vec::new(),
        ..guest.clone()
    };
    let works = idle
        .boot(TRIAL)
        .is_ok_and(|transcript| Verdict::read(&transcript.lines).is_complete());
    if works {
        return Accelerator::Kvm;
    }
    say("/dev/kvm is there but does not work: machines are emulated");
    Accelerator::Emulation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn guest(arch: Arch) -> Guest {
        Guest {
            arch,
            kernel: "bzImage".into(),
            initramfs: "vm.cpio".into(),
            accelerator: Accelerator::Emulation,
            backends: vec!["kprobe".to_owned(), "tracepoint".to_owned()],
            cases: Vec::new(),
            arguments: vec!["lockdown=integrity".to_owned()],
            counts_instructions: false,
        }
    }

    #[test]
    fn a_panic_ends_the_machine_and_the_console_is_all_it_has() {
        let words = workspace::words(&guest(Arch::X86_64).command());
        assert!(words.contains("-no-reboot") && words.contains("panic=-1"));
        assert!(words.contains("-nodefaults") && words.contains("-serial stdio"));
        assert!(words.contains("-accel tcg,thread=single"));
    }

    #[test]
    fn the_guest_is_told_what_to_do_on_its_kernels_command_line() {
        let arguments = guest(Arch::Aarch64).kernel_arguments();
        assert!(arguments.starts_with("console=ttyAMA0 "));
        assert!(arguments.contains(" rdinit=/bin/guest "));
        assert!(arguments.contains(" cowtrace.backends=kprobe,tracepoint "));
        assert!(arguments.ends_with(" lockdown=integrity"));
    }

    #[test]
    fn a_machine_that_counts_instructions_has_one_processor() {
        let counting = Guest {
            counts_instructions: true,
            ..guest(Arch::X86_64)
        };
        let words = workspace::words(&counting.command());
        assert!(words.contains("-smp 1 -icount shift=0"), "{words}");
        let words = workspace::words(&guest(Arch::X86_64).command());
        assert!(words.contains("-smp 4 ") && !words.contains("-icount"));
    }
}
