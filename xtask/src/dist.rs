//! `cargo xtask dist`: what is handed out, made for every architecture of one program each, in `dist/`. Built
//! twice, it is the same to the byte: times are those of the last commit, and paths of the machine are in none of it.

mod bill;
mod check;
mod deb;
mod dependencies;
mod files;
mod image;
mod licences;
mod manual;
mod program;
mod release;
mod rpm;
mod sums;
mod tarball;
mod wheel;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;

use self::{bill::Bill, files::Files, manual::Manual, release::Release};
use crate::{
    arch::Arch,
    packages::{self, Need},
    say, setup, workspace,
};

/// The formats' own tools.
const NEEDS: &[Need] = &[
    Need {
        program: "xz",
        packages: &["xz-utils"],
        why: "archives are compressed with it",
    },
    Need {
        program: "dpkg-deb",
        packages: &["dpkg"],
        why: "it makes packages of Debian",
    },
    Need {
        program: "rpmbuild",
        packages: &["rpm"],
        why: "it makes packages of Fedora and RHEL",
    },
];

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Architectures; both by default
    #[arg(long = "arch", value_enum, value_name = "ARCH", num_args = 1..)]
    archs: Vec<Arch>,
    /// Install each package where nothing else is, and trace with it; needs root
    #[arg(long)]
    check: bool,
    /// Build all of it again in a new clone of the last commit, and compare
    #[arg(long)]
    twice: bool,
}

impl Options {
    fn archs(&self) -> Vec<Arch> {
        if self.archs.is_empty() {
            Arch::ALL.to_vec()
        } else {
            self.archs.clone()
        }
    }
}

/// Makes everything, and checks it if that is wanted.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure()?;
    packages::ensure(NEEDS)?;
    let archs = options.archs();
    let folder = make(&archs)?;
    if options.twice {
        check::twice::compare(&archs, &folder)?;
    }
    if options.check {
        check::run(&archs, &folder)?;
    }
    for file in made(&folder)? {
        println!("{}", file.display());
    }
    Ok(())
}

/// Builds the eBPF object that is for this machine, and prints where it is.
pub(crate) fn print_object() -> Result<()> {
    setup::ensure()?;
    let machine = Arch::of_this_machine()?;
    println!("{}", program::objects(&[machine])?.of(machine).display());
    Ok(())
}

/// Makes everything in an empty folder, and returns it.
fn make(archs: &[Arch]) -> Result<PathBuf> {
    let folder = workspace::root().join("dist");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let release = Release::of_checkout()?;
    // The manual and completions come from the program itself, so one must run here.
    let machine = Arch::of_this_machine()?;
    let mut with_here = archs.to_vec();
    if !with_here.contains(&machine) {
        with_here.push(machine);
    }
    let objects = program::objects(&with_here)?;
    let here = program::build(machine, &objects, &release)?;
    let manual = Manual::of(&here)?;
    let bill = Bill::of(&release)?;
    bill.write(&release, &folder)?;
    let mut built = Vec::new();
    for arch in archs {
        say(&format!("packages for {}", arch.name()));
        let program = program::build(*arch, &objects, &release)?;
        let files = Files::gather(&program, &manual)?;
        tarball::write(*arch, &files, &release, &folder)?;
        deb::write(*arch, &files, &release, &folder)?;
        rpm::write(*arch, &files, &release, &folder)?;
        wheel::write(*arch, &files, &bill, &release, &folder)?;
        built.push((*arch, files));
    }
    image::write(&built, &release, &folder)?;
    sums::write(&folder)?;
    Ok(folder)
}

/// All files of the folder, by name.
fn made(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).context("nothing was made")?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}
