//! Everything that a machine has besides its kernel: an archive with the guest's files, which the
//! kernel unpacks into memory (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cpio::newc::{self, Builder};

use super::programs::Installed;
use crate::{arch::Arch, workspace};

const FOLDER: u32 = 0o40_755;
const PROGRAM: u32 = 0o100_755;
/// Where the guest mounts the kernel's file systems.
const MOUNTED: [&str; 4] = ["dev", "proc", "sys", "tmp"];

/// An archive in a file.
pub(crate) struct Initramfs(PathBuf);

impl Initramfs {
    /// Packs files into an archive of this name, and the folders that contain them.
    pub(crate) fn build(name: &str, files: &[Installed], arch: Arch) -> Result<Self> {
        let path = workspace::target()?.join(format!("{name}-{}.cpio", arch.name()));
        let file = File::create(&path);
        file.map_err(anyhow::Error::from)
            .and_then(|file| write(files, BufWriter::new(file)))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Each entry has its own inode number, because entries with the same one are links.
fn write(files: &[Installed], mut out: impl Write) -> Result<()> {
    let folders = folders(files);
    let mut inodes = 1..;
    for (name, inode) in folders.iter().zip(inodes.by_ref()) {
        out = entry(name, inode, FOLDER).write(out, 0).finish()?;
    }
    for (Installed { place, file }, inode) in files.iter().zip(inodes) {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let length = u32::try_from(bytes.len()).context("a file of 4 GiB")?;
        let mut entry = entry(place, inode, PROGRAM).write(out, length);
        entry.write_all(&bytes)?;
        out = entry.finish()?;
    }
    newc::trailer(out)?.flush().map_err(io::Error::into)
}

/// Every folder, after its parent: the order of text has this property.
fn folders(files: &[Installed]) -> BTreeSet<String> {
    let above = |file: &Installed| -> Vec<String> {
        let above = Path::new(&file.place).ancestors().skip(1);
        above
            .map(|folder| folder.to_string_lossy().into_owned())
            .collect()
    };
    let mut folders: BTreeSet<String> = files.iter().flat_map(above).collect();
    folders.remove("");
    folders.extend(MOUNTED.map(str::to_owned));
    folders
}

fn entry(name: &str, inode: u32, mode: u32) -> Builder {
    Builder::new(name).ino(inode).mode(mode).nlink(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(archive: &[u8]) -> Vec<(String, u32)> {
        let mut found = Vec::new();
        let mut rest = archive;
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return found;
            }
            found.push((reader.entry().name().to_owned(), reader.entry().mode()));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn files_lie_in_folders_that_come_before_them() {
        let file = workspace::root().join("Cargo.toml");
        let installed = |place: &str| Installed {
            place: place.to_owned(),
            file: file.clone(),
        };
        let mut bytes = Vec::new();
        write(
            &[installed("bin/guest"), installed("lib/some/libc.so.6")],
            &mut bytes,
        )
        .unwrap();
        let entries = entries(&bytes);
        let names: Vec<&str> = entries.iter().map(|(name, _)| &**name).collect();
        assert_eq!(
            names,
            [
                "bin",
                "dev",
                "lib",
                "lib/some",
                "proc",
                "sys",
                "tmp",
                "bin/guest",
                "lib/some/libc.so.6"
            ]
        );
        assert_eq!(entries[0].1, FOLDER);
        assert_eq!(entries[7].1, PROGRAM);
    }
}
