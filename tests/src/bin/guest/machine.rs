//! The machine around the cases: mounts, requests from outside, and shutdown.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use nix::{
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        utsname::uname,
    },
    unistd::sync,
};
use serde_json::{Value, json};

/// Type and mount point of each file system that the cases and cowtrace use.
const FILE_SYSTEMS: [(&str, &str); 4] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
];
/// Says how far the kernel is locked down (`kernel_lockdown(7)`).
const SECURITY: &str = "/sys/kernel/security";
/// An option of the kernel's command line: how many pages to write where instructions are counted.
const INSTRUCTIONS: &str = "cowtrace.instructions=";
/// An option of the kernel's command line: names separated by commas.
/// The module whose policy the machine is to have, and where that lies.
const MODULE: &str = "cowtrace.policy=";
const POLICY: &str = "/policy";
/// Where each module takes its policy.
const APPARMOR: &str = "/sys/kernel/security/apparmor/.load";
const SELINUX: &str = "/sys/fs/selinux";
const BACKENDS: &str = "cowtrace.backends=";
const CASES: &str = "cowtrace.cases=";

/// Mounts everything.
pub(crate) fn mount_all() -> Result<()> {
    for (kind, place) in FILE_SYSTEMS {
        fs::create_dir_all(place).with_context(|| format!("cannot make {place}"))?;
        let nothing: Option<&str> = None;
        mount(Some(kind), place, Some(kind), MsFlags::empty(), nothing)
            .with_context(|| format!("cannot mount {kind} on {place}"))?;
    }
    Ok(())
}

/// Mounts what says how far the kernel is locked down. Kernels can be built without it.
pub(crate) fn mount_security() {
    let (kind, nothing): (_, Option<&str>) = (Some("securityfs"), None);
    let _ = mount(kind, SECURITY, kind, MsFlags::empty(), nothing);
}

/// Gives a security module its policy, if there is one: from now on its rules hold.
pub(crate) fn load_policy() -> Result<()> {
    let Some(module) = option(MODULE) else {
        return Ok(());
    };
    let policy = fs::read(POLICY).context("cannot read the policy")?;
    match module.as_str() {
        "apparmor" => fs::write(APPARMOR, policy).context("AppArmor takes no policy"),
        "selinux" => load_into_selinux(&policy).context("SELinux takes no policy"),
        other => bail!("no policy is known of {other}"),
    }
}

fn load_into_selinux(policy: &[u8]) -> Result<()> {
    let (kind, nothing): (_, Option<&str>) = (Some("selinuxfs"), None);
    mount(kind, SELINUX, kind, MsFlags::empty(), nothing)?;
    fs::write(format!("{SELINUX}/load"), policy)?;
    fs::write(format!("{SELINUX}/enforce"), "1")?;
    Ok(())
}

/// How far the kernel is locked down: of `none [integrity] confidentiality` the word in brackets.
fn lockdown() -> Option<String> {
    let text = fs::read_to_string(format!("{SECURITY}/lockdown")).ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The kernel's own name and version, and how far it is locked down.
pub(crate) fn description() -> Value {
    let told = uname().ok();
    let text =
        |word: Option<&std::ffi::OsStr>| word.map(|word| word.to_string_lossy().into_owned());
    json!({
        "kernel": text(told.as_ref().map(nix::sys::utsname::UtsName::release)),
        "arch": text(told.as_ref().map(nix::sys::utsname::UtsName::machine)),
        "lockdown": lockdown(),
        "btf": Path::new("/sys/kernel/btf/vmlinux").is_file(),
    })
}

/// The requested backends, in order.
pub(crate) fn backends() -> Vec<String> {
    asked_for(BACKENDS)
}

/// The requested cases; none means all.
pub(crate) fn cases() -> Vec<String> {
    asked_for(CASES)
}

/// The pages to write where instructions are counted; `None` where the cases are to run.
pub(crate) fn pages_for_instructions() -> Option<u32> {
    option(INSTRUCTIONS)?.parse().ok()
}

fn option(name: &str) -> Option<String> {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    words
        .find_map(|word| word.strip_prefix(name))
        .map(str::to_owned)
}

fn asked_for(what: &str) -> Vec<String> {
    let names = option(what).unwrap_or_default();
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Shuts the machine down.
pub(crate) fn switch_off() -> ! {
    sync();
    // Returns only on failure; then the first process exits and the kernel panics, which is seen
    // outside.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    std::process::exit(1)
}
