//! Debian's Python inside a machine, with the libraries that it needs, below a folder of its own. The guest
//! traces it too.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{kernels, programs::Installed};
use crate::{
    arch::Arch,
    archive::{Archive, Scratch, Suite},
    say,
};

/// Where the guest looks for it.
const ROOT: &str = "python";
const SUITE: &str = "bookworm";
/// The interpreter, the parts of its library with which it starts, and the libraries that both need.
const PACKAGES: [&str; 6] = [
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libexpat1",
    "zlib1g",
];
/// Folders of these packages that no script of the guest needs.
const LEFT_OUT: [&str; 3] = ["share", "gconv", "binfmt.d"];

/// Its files; none on a machine without Debian's archive, which can run the other cases.
pub(crate) fn files(arch: Arch) -> Result<Vec<Installed>> {
    let folder = kernels::cache().join("python").join(arch.name());
    if !folder.is_dir() {
        let archive = match Archive::of_this_machine() {
            Ok(archive) => archive,
            Err(error) => {
                say(&format!("the machines get no Python: {error:#}"));
                return Ok(Vec::new());
            }
        };
        download(&archive, arch, &folder)?;
    }
    let mut found = Vec::new();
    collect(&folder, &folder, ROOT, &mut found)?;
    Ok(found)
}

fn download(archive: &Archive, arch: Arch, folder: &Path) -> Result<()> {
    let debian = arch.debian();
    say(&format!("downloading Python 3.11 for {debian}, some 10 MB"));
    let scratch = Scratch::new("python")?;
    Suite::open(archive, SUITE, debian)?.unpack_into(&PACKAGES, scratch.path())?;
    let parent = folder.parent().context("the cache has no folder")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::rename(scratch.path(), folder))
        .with_context(|| format!("cannot write {}", folder.display()))
}

/// All files below a folder, under their place in the machine. Links become copies of the files that they lead to in the
/// root folder; those that lead to none there are left out.
fn collect(root: &Path, folder: &Path, place: &str, found: &mut Vec<Installed>) -> Result<()> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("{place}/{name}");
        if LEFT_OUT.contains(&&*name) {
            continue;
        }
        let target = fs::read_link(&file).ok();
        let target = target.and_then(|target| Some(root.join(target.strip_prefix("/").ok()?)));
        let file = target.unwrap_or(file);
        if file.is_dir() {
            collect(root, &file, &place, found)?;
        } else if file.is_file() {
            found.push(Installed { place, file });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_places_and_links_lead_to_files_of_the_same_folder() {
        let folder = std::env::temp_dir().join(format!("cowtrace-vm-{}", std::process::id()));
        fs::create_dir_all(folder.join("usr/bin")).unwrap();
        fs::create_dir_all(folder.join("usr/share/doc")).unwrap();
        fs::write(folder.join("usr/bin/python3.11"), "").unwrap();
        fs::write(folder.join("usr/share/doc/text"), "").unwrap();
        std::os::unix::fs::symlink("python3.11", folder.join("usr/bin/python3")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("usr/bin/other")).unwrap();
        let same = folder.join("usr/bin/same");
        std::os::unix::fs::symlink("/usr/bin/python3.11", same).unwrap();
        let mut found = Vec::new();
        collect(&folder, &folder, ROOT, &mut found).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let places: Vec<&str> = found.iter().map(|file| &*file.place).collect();
        assert_eq!(
            places,
            [
                "python/usr/bin/python3",
                "python/usr/bin/python3.11",
                "python/usr/bin/same"
            ]
        );
    }
}
