//! Security modules that refuse what root's capabilities would allow: what cowtrace has to do there. The policies have
//! nothing but the rule that matters; they are made by Debian's compilers, which nobody needs to install.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::{kernels, programs::Installed, verdict::Verdict};
use crate::{
    arch::Arch,
    archive::{Archive, Scratch, Suite},
    say, workspace,
};

const SUITE: &str = "bookworm";
/// Where the guest looks for the policy.
const PLACE: &str = "policy";
/// The rules that the compiler of `AppArmor` may use, of those that it knows.
const ABI: &str = "etc/apparmor.d/abi/3.0";
/// The policy version of `SELinux` that every kernel takes.
const POLICY_VERSION: &str = "30";

/// A policy that refuses cowtrace something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Confinement {
    /// `AppArmor` allows cowtrace no BPF: it cannot work, and says why
    ApparmorBpf,
    /// `AppArmor` allows cowtrace no look into other processes: it counts
    ApparmorPtrace,
    /// `SELinux` allows nobody to load BPF programs: cowtrace cannot work, and says why
    SelinuxBpf,
    /// `SELinux` allows nobody a look into other processes: cowtrace counts
    SelinuxPtrace,
}

impl Confinement {
    const fn module(self) -> &'static str {
        match self {
            Self::ApparmorBpf | Self::ApparmorPtrace => "apparmor",
            Self::SelinuxBpf | Self::SelinuxPtrace => "selinux",
        }
    }

    /// What cowtrace calls it.
    const fn said(self) -> &'static str {
        match self {
            Self::ApparmorBpf | Self::ApparmorPtrace => "the AppArmor profile cowtrace",
            Self::SelinuxBpf | Self::SelinuxPtrace => "SELinux (as system_u:system_r:kernel_t)",
        }
    }

    pub(crate) const fn allows_bpf(self) -> bool {
        matches!(self, Self::ApparmorPtrace | Self::SelinuxPtrace)
    }

    /// Options of the kernel's command line.
    pub(crate) fn arguments(self) -> [String; 2] {
        let module = self.module();
        [
            format!("security={module}"),
            format!("cowtrace.policy={module}"),
        ]
    }

    /// What is wrong on a kernel with this policy.
    pub(crate) fn faults(self, verdict: &Verdict) -> Vec<String> {
        if self.allows_bpf() {
            return Vec::new();
        }
        verdict.without_refusal(self.said())
    }

    /// Compiles the policy.
    pub(crate) fn file(self) -> Result<Installed> {
        let tools = tools(Arch::of_this_machine()?)?;
        let source = workspace::root().join("xtask/src/vm/policies");
        let target = workspace::target()?.join("policy");
        let mut compiler = match self {
            Self::ApparmorBpf => apparmor(&tools, &source.join("without_bpf.apparmor"), &target),
            Self::ApparmorPtrace => {
                apparmor(&tools, &source.join("without_ptrace.apparmor"), &target)
            }
            Self::SelinuxBpf => selinux(&tools, &source, "without_bpf.cil", &target),
            Self::SelinuxPtrace => selinux(&tools, &source, "without_ptrace.cil", &target),
        };
        workspace::run(&mut compiler)?;
        Ok(Installed {
            place: PLACE.to_owned(),
            file: target,
        })
    }
}

fn apparmor(tools: &Path, profile: &Path, target: &Path) -> Command {
    let mut compiler = Command::new(tools.join("sbin/apparmor_parser"));
    let abi = tools.join(ABI);
    compiler
        .args(["--config-file", "/dev/null", "--skip-kernel-load"])
        .args(["--skip-cache", "--quiet", "--ofile"])
        .arg(target)
        .arg("--policy-features")
        .arg(&abi)
        .arg("--kernel-features")
        .arg(&abi)
        .arg(profile);
    compiler
}

fn selinux(tools: &Path, source: &Path, rules: &str, target: &Path) -> Command {
    let mut compiler = Command::new(tools.join("usr/bin/secilc"));
    compiler
        .args(["-c", POLICY_VERSION, "-f", "/dev/null", "-o"])
        .arg(target)
        .arg(source.join("base.cil"))
        .arg(source.join(rules));
    compiler
}

/// The folder with both compilers, downloaded once.
fn tools(arch: Arch) -> Result<PathBuf> {
    let folder = kernels::cache().join("policy-tools");
    if folder.is_dir() {
        return Ok(folder);
    }
    let archive = Archive::of_this_machine().context("the compilers of policies are Debian's")?;
    say("downloading compilers of policies for AppArmor and SELinux");
    let scratch = Scratch::new("policy-tools")?;
    let suite = Suite::open(&archive, SUITE, arch.debian())?;
    suite.unpack_into(&["apparmor", "secilc", "libsepol2"], scratch.path())?;
    let kept =
        fs::create_dir_all(kernels::cache()).and_then(|()| fs::rename(scratch.path(), &folder));
    kept.with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(folder)
}
