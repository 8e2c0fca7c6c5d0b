//! The container image, read by skopeo and unpacked by umoci.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use super::place::Place;
use crate::{arch::Arch, archive::Scratch, workspace::output};

pub(super) fn check(arch: Arch, file: &Path) -> Result<()> {
    let scratch = Scratch::new("image-root")?;
    let version = env!("CARGO_PKG_VERSION");
    let from = format!("oci-archive:{}:{version}", file.display());
    let layout = scratch.path().join("layout");
    let mut copy = Command::new("skopeo");
    copy.args(["--override-os", "linux", "--override-arch", arch.debian()])
        .args(["copy", "--quiet", &from])
        .arg(format!("oci:{}:{version}", layout.display()));
    output(&mut copy)?;
    let mut inspect = Command::new("skopeo");
    inspect.args(["inspect", "--config"]);
    let config = output(inspect.arg(format!("oci:{}:{version}", layout.display())))?;
    let config: serde_json::Value = serde_json::from_str(&config)?;
    if config["architecture"] != arch.debian() || config["os"] != "linux" {
        bail!("the image is for something else: {config}");
    }
    let bundle = scratch.path().join("bundle");
    let mut unpack = Command::new("umoci");
    unpack.args(["unpack", "--rootless", "--image"]);
    output(
        unpack
            .arg(format!("{}:{version}", layout.display()))
            .arg(&bundle),
    )?;
    if arch.is_here() {
        Place::Root(bundle.join("rootfs"), "/usr/bin/cowtrace").traces()?;
    }
    Ok(())
}
