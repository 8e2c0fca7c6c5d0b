//! A Python without the global interpreter lock, for the kernel tests. Distributions have none, so
//! it is built from Debian's source package; that takes minutes, so only on request.

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    archive::{Archive, Scratch, Suite},
    pythons, say, workspace,
};

/// What is built: the first version whose builds cowtrace supports, from a suite that stays
/// available.
const VERSION: &str = "3.13";
const SUITE: &str = "trixie";

/// Builds it into the folder from which the tests take Pythons, unless it exists.
pub(crate) fn build() -> Result<()> {
    let place = pythons::folder().join(format!("{VERSION}t"));
    if place.join("bin/python3").is_file() {
        say(&format!("{} is there", place.display()));
        return Ok(());
    }
    say(&format!(
        "building Python {VERSION} without the global interpreter lock into {}, from Debian's source \
         package (24 MB): some minutes",
        place.display()
    ));
    let archive = Archive::of_this_machine()?;
    let sources = Suite::open_sources(&archive, SUITE)?;
    let scratch = Scratch::new("free-threaded")?;
    sources.download_source(&format!("python{VERSION}"), scratch.path())?;
    let tree = unpack(scratch.path())?;
    let installed = scratch.path().join("installed");
    make(&tree, &place, &installed)?;
    let built = installed.join(place.strip_prefix("/").unwrap_or(&place));
    fs::create_dir_all(pythons::folder()).context("cannot make the folder of Pythons")?;
    fs::rename(&built, &place).with_context(|| format!("cannot write {}", place.display()))
}

/// Unpacks the upstream source and returns its folder.
fn unpack(folder: &Path) -> Result<std::path::PathBuf> {
    let find = |fits: &dyn Fn(&Path) -> bool| {
        let files = fs::read_dir(folder).ok()?.flatten();
        files.map(|file| file.path()).find(|path| fits(path))
    };
    let upstream =
        find(&|path| path.to_string_lossy().contains(".orig.tar.") && !is_signature(path))
            .context("the source package has no upstream part")?;
    let mut tar = Command::new("tar");
    workspace::run(tar.arg("-xf").arg(&upstream).arg("-C").arg(folder))?;
    find(&|path| path.join("configure").is_file()).context("the source package has no configure")
}

fn is_signature(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "asc")
}

/// The modules that the tests' services import need no external library.
fn make(tree: &Path, place: &Path, installed: &Path) -> Result<()> {
    let mut prefix = OsString::from("--prefix=");
    prefix.push(place);
    let mut configure = Command::new("./configure");
    configure
        .current_dir(tree)
        .args(["--quiet", "--disable-gil", "--without-ensurepip"])
        .args(["--disable-test-modules", "CFLAGS=-O2"])
        .arg(prefix)
        .stdout(std::io::stderr());
    workspace::run(&mut configure)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    for target in ["all", "install"] {
        let mut destination = OsString::from("DESTDIR=");
        destination.push(installed);
        let mut make = Command::new(env::var_os("MAKE").unwrap_or_else(|| "make".into()));
        make.current_dir(tree)
            .args(["--silent", &format!("-j{jobs}"), target])
            .arg(destination)
            .stdout(Stdio::null());
        workspace::run(&mut make)?;
    }
    Ok(())
}
