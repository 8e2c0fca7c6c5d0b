//! The manual and the completions, which the program prints itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{archive::Scratch, workspace::output};

/// Their texts, by file name.
pub(super) struct Manual {
    /// Pages such as `cowtrace-report.1`.
    pub(super) pages: Vec<(String, Vec<u8>)>,
    pub(super) bash: Vec<u8>,
    pub(super) zsh: Vec<u8>,
    pub(super) fish: Vec<u8>,
}

impl Manual {
    /// Has a program print them that runs here.
    pub(super) fn of(program: &Path) -> Result<Self> {
        let completions = |shell| -> Result<Vec<u8>> {
            let mut command = Command::new(program);
            Ok(output(command.args(["completions", shell]))?.into_bytes())
        };
        Ok(Self {
            pages: pages(program)?,
            bash: completions("bash")?,
            zsh: completions("zsh")?,
            fish: completions("fish")?,
        })
    }
}

fn pages(program: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = Scratch::new("manual")?;
    output(
        Command::new(program)
            .args(["man", "--folder"])
            .arg(folder.path()),
    )?;
    let mut files: Vec<PathBuf> = fs::read_dir(folder.path())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let page = |file: &PathBuf| -> Result<(String, Vec<u8>)> {
        let name = file.file_name().context("a page without a name")?;
        Ok((name.to_string_lossy().into_owned(), fs::read(file)?))
    };
    files.iter().map(page).collect()
}
