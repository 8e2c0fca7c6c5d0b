//! The files of a package, by their places below a prefix such as `/usr`.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{licences, manual::Manual};
use crate::workspace;

const DOCUMENTS: &str = "share/doc/cowtrace";
const UNIT: &str = "lib/systemd/system/cowtrace@.service";
/// Files of the repository that every package has.
const FROM_REPOSITORY: [&str; 5] = [
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "CHANGELOG.md",
    "SECURITY.md",
];

/// One file.
#[derive(Clone)]
pub(super) struct Placed {
    /// Such as `bin/cowtrace`.
    pub(super) place: String,
    pub(super) content: Vec<u8>,
    pub(super) is_program: bool,
}

/// All files of a package.
#[derive(Clone)]
pub(super) struct Files(Vec<Placed>);

impl Files {
    /// Program, manual, completions, unit, licences.
    pub(super) fn gather(program: &Path, manual: &Manual) -> Result<Self> {
        let root = workspace::root();
        let mut all = Self(Vec::new());
        all.0.push(Placed {
            place: "bin/cowtrace".into(),
            content: read(program)?,
            is_program: true,
        });
        for (name, page) in &manual.pages {
            all.add(format!("share/man/man1/{name}"), page.clone());
        }
        let completions = [
            ("share/bash-completion/completions/cowtrace", &manual.bash),
            ("share/zsh/site-functions/_cowtrace", &manual.zsh),
            (
                "share/fish/vendor_completions.d/cowtrace.fish",
                &manual.fish,
            ),
        ];
        for (place, content) in completions {
            all.add(place, content.clone());
        }
        all.add(UNIT, read(&root.join("contrib/systemd/cowtrace@.service"))?);
        for name in FROM_REPOSITORY {
            all.add(format!("{DOCUMENTS}/{name}"), read(&root.join(name))?);
        }
        all.add_documents(&root)?;
        let others = licences::of_dependencies()?;
        all.add(format!("{DOCUMENTS}/THIRD-PARTY.txt"), others.into_bytes());
        Ok(all)
    }

    /// The book, which the files above refer to.
    fn add_documents(&mut self, root: &Path) -> Result<()> {
        for folder in ["docs", "docs/cookbook"] {
            let entries = fs::read_dir(root.join(folder)).context("there is no book")?;
            let mut names = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<Result<Vec<_>, _>>()?;
            names.sort();
            for name in names {
                let name = name.to_str().context("a document has a strange name")?;
                let file = root.join(folder).join(name);
                if file.is_file() {
                    self.add(format!("{DOCUMENTS}/{folder}/{name}"), read(&file)?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, place: impl Into<String>, content: Vec<u8>) {
        self.0.push(Placed {
            place: place.into(),
            content,
            is_program: false,
        });
    }

    pub(super) fn all(&self) -> &[Placed] {
        &self.0
    }

    /// The same files at other places; those without a place are left out.
    pub(super) fn moved(&self, place: impl Fn(&str) -> Option<String>) -> Self {
        let moved = self.0.iter().filter_map(|file| {
            Some(Placed {
                place: place(&file.place)?,
                ..file.clone()
            })
        });
        Self(moved.collect())
    }

    /// The manual compressed, as packages of distributions have it.
    pub(super) fn with_compressed_manual(mut self) -> Result<Self> {
        for file in &mut self.0 {
            if file.place.contains("share/man/man") {
                file.content = compressed(&file.content)?;
                file.place.push_str(".gz");
            }
        }
        Ok(self)
    }

    /// Replaces a text in the systemd unit, which names the program by its path.
    pub(super) fn with_program_at(mut self, path: &str) -> Result<Self> {
        let unit = self.0.iter_mut().find(|file| file.place == UNIT);
        let unit = unit.context("there is no unit")?;
        let text = String::from_utf8(std::mem::take(&mut unit.content))?;
        let (old, new) = ("ExecStart=/usr/bin/cowtrace ", format!("ExecStart={path} "));
        if !text.contains(old) {
            bail!("the unit does not start /usr/bin/cowtrace");
        }
        unit.content = text.replace(old, &new).into_bytes();
        Ok(self)
    }

    /// Writes them below a folder, with the folders they are in.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for file in &self.0 {
            let path = folder.join(&file.place);
            let write = || -> Result<()> {
                fs::create_dir_all(path.parent().unwrap_or(folder))?;
                fs::write(&path, &file.content)?;
                let mode = if file.is_program { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
                Ok(())
            };
            write().with_context(|| format!("cannot write {}", path.display()))?;
        }
        same_modes(folder)
    }
}

/// Folders get the same mode whatever the caller's umask is.
fn same_modes(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            same_modes(&entry.path())?;
        }
    }
    Ok(())
}

/// With gzip, without a name and a time.
pub(super) fn compressed(content: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip")
        .args(["-9", "--no-name", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start gzip")?;
    let mut input = gzip.stdin.take().context("gzip has no input")?;
    let content = content.to_vec();
    let writing = std::thread::spawn(move || input.write_all(&content));
    let output = gzip.wait_with_output()?;
    let written = writing
        .join()
        .map_err(|_| anyhow::anyhow!("writing to gzip panicked"))?;
    written.context("cannot write to gzip")?;
    if !output.status.success() {
        bail!("gzip failed ({})", output.status);
    }
    Ok(output.stdout)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A file of packaging/, with `@NAME@` replaced.
pub(super) fn template(name: &str, values: &[(&str, &str)]) -> Result<String> {
    let path: PathBuf = workspace::root().join("packaging").join(name);
    let mut text = String::from_utf8(read(&path)?)?;
    for (key, value) in values {
        text = text.replace(&format!("@{key}@"), value);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Scratch;

    #[test]
    fn the_unit_starts_the_program_where_it_is() {
        let unit = b"[Service]\nExecStart=/usr/bin/cowtrace --wait\n".to_vec();
        let mut files = Files(Vec::new());
        files.add(UNIT, unit);
        let moved = files.with_program_at("/usr/local/bin/cowtrace").unwrap();
        let text = String::from_utf8(moved.all()[0].content.clone()).unwrap();
        assert_eq!(
            text,
            "[Service]\nExecStart=/usr/local/bin/cowtrace --wait\n"
        );
        assert!(moved.with_program_at("/elsewhere").is_err());
    }

    #[test]
    fn files_are_written_with_the_modes_of_a_package() {
        let folder = Scratch::new("written").unwrap();
        let mut files = Files(vec![Placed {
            place: "bin/cowtrace".into(),
            content: b"program".to_vec(),
            is_program: true,
        }]);
        files.add("share/man/man1/cowtrace.1", b"page".to_vec());
        files
            .with_compressed_manual()
            .unwrap()
            .write(folder.path())
            .unwrap();
        let mode = |place: &str| {
            let found = fs::metadata(folder.path().join(place)).unwrap();
            found.permissions().mode() & 0o777
        };
        assert_eq!(mode("bin"), 0o755);
        assert_eq!(mode("bin/cowtrace"), 0o755);
        assert_eq!(mode("share/man/man1/cowtrace.1.gz"), 0o644);
    }
}
