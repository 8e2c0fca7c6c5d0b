//! The static program on a machine that has a kernel, busybox, and nothing else.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{place::reports_copies, tarball};
use crate::{
    arch::Arch,
    archive::{Archive, Scratch, Suite},
    say,
    vm::{self, Installed},
};

/// Its first process.
const FIRST: &str = "#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t tmpfs tmp /tmp
export PATH=/usr/local/bin HOME=/tmp
cowtrace doctor && cowtrace demo --seconds 4 --megabytes 8 && busybox echo TRACED
busybox poweroff -f
";
const KERNEL: &str = "6.12";
/// An emulated machine boots in 5 to 60 s.
const LIMIT: Duration = Duration::from_secs(400);

pub(super) fn check(arch: Arch, file: &Path) -> Result<()> {
    say(&format!(
        "booting a machine with nothing but the program for {}",
        arch.name()
    ));
    let scratch = Scratch::new("bare")?;
    tarball::unpack(file, &scratch.path().join("usr/local"))?;
    let first = scratch.path().join("first");
    fs::write(&first, FIRST).context("cannot write a script")?;
    let suite = Suite::open(&Archive::of_this_machine()?, "bookworm", arch.debian())?;
    suite.unpack_into(&["busybox-static"], scratch.path())?;
    let installed = |place: &str, file: &Path| Installed {
        place: place.to_owned(),
        file: file.to_path_buf(),
    };
    let files = [
        installed(vm::FIRST_PROCESS, &first),
        installed("bin/busybox", &scratch.path().join("bin/busybox")),
        installed(
            "usr/local/bin/cowtrace",
            &scratch.path().join("usr/local/bin/cowtrace"),
        ),
    ];
    let transcript = vm::boot_bare(arch, KERNEL, &files, LIMIT)?;
    let text = transcript.lines.join("\n");
    if !transcript.lines.iter().any(|line| line == "TRACED") {
        bail!("the program does not trace there; it printed\n{text}");
    }
    reports_copies(&text)
}
