//! The licences of what is linked into the program.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use super::dependencies::linked;

const HEAD: &str = "\
cowtrace is licensed under MIT OR Apache-2.0. Its program contains the software below, each with its own licence.

Not from crates.io:
- the Rust standard library (MIT OR Apache-2.0), The Rust Project Developers
- the GNU C library (LGPL-2.1-or-later), linked statically. cowtrace's sources, and `cargo xtask dist` in them, link
  the program against another version of it.
- SQLite, which is in the public domain, inside libsqlite3-sys
";
/// The beginnings of the names of files with a licence.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// Names and texts. Texts that are equal stand once.
pub(super) fn of_dependencies() -> Result<String> {
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut list = String::new();
    for dependency in linked()? {
        let name = format!("{} {}", dependency.name, dependency.version);
        let _ = writeln!(list, "- {name} ({})", dependency.licence);
        for licence in texts(&dependency.folder)? {
            by_text.entry(licence).or_default().push(name.clone());
        }
    }
    let mut all = format!("{HEAD}\nFrom crates.io:\n{list}");
    for (licence, names) in by_text {
        let line = "-".repeat(79);
        let licence = licence.trim_end();
        let _ = writeln!(all, "\n{line}\n{}:\n\n{licence}", names.join(", "));
    }
    Ok(all)
}

/// The licences in a package's folder.
fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut files = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    files.sort_by_key(fs::DirEntry::file_name);
    let licences = files.into_iter().filter(|file| {
        let name = file.file_name().to_string_lossy().to_uppercase();
        NAMES.iter().any(|begin| name.starts_with(begin)) && file.path().is_file()
    });
    let read = |file: fs::DirEntry| -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(file.path())?).replace('\r', ""))
    };
    licences.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stands_once() {
        let all = of_dependencies().unwrap();
        assert!(all.contains("\n- aya 0."));
        assert!(all.contains("Permission is hereby granted, free of charge"));
        let apache = "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION";
        assert!(all.matches(apache).count() < linked().unwrap().len() / 4);
    }
}
