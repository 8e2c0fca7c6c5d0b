//! A virtual machine: how QEMU is started for it, and whether it can be accelerated.

use std::{
    fs::OpenOptions,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use super::{
    arch::Arch,
    console::{self, Transcript},
    verdict::Verdict,
};
use crate::{privilege, say};

/// Long enough for a machine that does nothing on hardware that works; emulation takes it too.
const TRIAL: Duration = Duration::from_secs(8);

/// As many as the largest case has writers at once.
const PROCESSORS: &str = "4";

/// What executes the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU: works everywhere, some twenty times slower.
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
            // One thread for all processors: with several, a processor may execute the breakpoint
            // that the kernel puts into a function while it attaches a trampoline there, after the
            // kernel was told that none does any more, and the machine dies of it.
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
    /// All of them if none is named.
    pub(crate) cases: Vec<String>,
}

impl Guest {
    /// Boots it and listens until it ends or its time is over.
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
            .args(["-m", "1024", "-smp", PROCESSORS])
            // A console and nothing else: each device more is looked for at boot.
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

    /// `panic=-1` ends the machine at once; the guest reads what is ours.
    fn kernel_arguments(&self) -> String {
        format!(
            "console={} quiet panic=-1 rdinit=/bin/guest cowtrace.backends={} cowtrace.cases={}",
            self.arch.console(),
            self.backends.join(","),
            self.cases.join(",")
        )
    }
}

/// A program that the kernel ends when we end, however that is.
fn bound_to_us(program: &str) -> Command {
    if privilege::find_program("setpriv").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// Hardware acceleration where it works. That /dev/kvm is there says little: inside of another
/// virtual machine it may hang. So a machine that has nothing to do must come to its end with it.
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
    }
}
