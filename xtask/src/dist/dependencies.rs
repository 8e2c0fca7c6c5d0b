//! The crates of other people that the program is linked with.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    arch::Arch,
    workspace::{self, output},
};

/// A crate.
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: String,
    /// The folder of its sources.
    pub(super) folder: PathBuf,
}

/// Those of the program, by name: neither those of build scripts and tests, nor those of other systems.
pub(super) fn linked() -> Result<Vec<Dependency>> {
    let mut cargo = workspace::cargo(&["metadata", "--format-version", "1", "--locked"])?;
    for arch in Arch::ALL {
        cargo.args(["--filter-platform", &arch.target()]);
    }
    let metadata: Value = serde_json::from_str(&output(&mut cargo)?)?;
    let packages = list(&metadata["packages"]);
    let nodes = list(&metadata["resolve"]["nodes"]);
    let nodes: HashMap<&str, &Value> = nodes.iter().map(|node| (text(node, "id"), node)).collect();
    let start = packages
        .iter()
        .find(|package| text(package, "name") == "cowtrace");
    let mut next = vec![text(start.context("cowtrace is no package")?, "id")];
    let mut found = BTreeSet::new();
    while let Some(id) = next.pop() {
        if found.insert(id) {
            let node = nodes
                .get(id)
                .with_context(|| format!("{id} is not resolved"))?;
            let here = list(&node["deps"]).iter().filter(|other| is_linked(other));
            next.extend(here.map(|other| text(other, "pkg")));
        }
    }
    let mut linked: Vec<Dependency> = packages
        .iter()
        .filter(|package| found.contains(text(package, "id")) && package["source"].is_string())
        .map(dependency)
        .collect();
    linked.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(linked)
}

fn dependency(package: &Value) -> Dependency {
    let mut folder = PathBuf::from(text(package, "manifest_path"));
    folder.pop();
    Dependency {
        name: text(package, "name").to_owned(),
        version: text(package, "version").to_owned(),
        // An older way to write it.
        licence: text(package, "license").replace('/', " OR "),
        folder,
    }
}

/// Whether it is a dependency of the program itself, not of its build script or tests.
fn is_linked(dependency: &Value) -> bool {
    let kinds = list(&dependency["dep_kinds"]);
    kinds.iter().any(|kind| kind["kind"].is_null())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_program() {
        let all = linked().unwrap();
        let has = |name: &str| all.iter().any(|other| other.name == name);
        for name in [
            "aya",
            "clap",
            "ratatui",
            "rusqlite",
            "memchr",
            "libsqlite3-sys",
        ] {
            assert!(has(name), "{name}");
        }
        for name in ["proptest", "insta", "windows-sys", "cowtrace-common", "cc"] {
            assert!(!has(name), "{name}");
        }
        let unlicensed = all.iter().find(|other| other.licence.is_empty());
        assert!(unlicensed.is_none_or(|other| other.name.is_empty()));
    }
}
