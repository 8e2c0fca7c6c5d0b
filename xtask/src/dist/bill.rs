//! The bill of materials: what the program is made of, in the form of
//! <https://cyclonedx.org/docs/1.6/json/>.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    dependencies::{Dependency, linked},
    release::Release,
};

/// The bill.
pub(super) struct Bill(Value);

impl Bill {
    /// That of a release. All architectures have the same.
    pub(super) fn of(release: &Release) -> Result<Self> {
        let own = package("cowtrace", release.version);
        let dependencies = linked()?;
        let components: Vec<Value> = dependencies.iter().map(component).collect();
        let names: Vec<String> = dependencies
            .iter()
            .map(|other| package(&other.name, &other.version))
            .collect();
        Ok(Self(json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": release.iso()?,
                "component": {
                    "type": "application",
                    "bom-ref": own,
                    "name": "cowtrace",
                    "version": release.version,
                    "purl": own,
                    "licenses": [{ "expression": "MIT OR Apache-2.0" }],
                },
            },
            "components": components,
            "dependencies": [{ "ref": own, "dependsOn": names }],
        })))
    }

    pub(super) fn text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)? + "\n")
    }

    /// Writes `cowtrace-VERSION.cdx.json`.
    pub(super) fn write(&self, release: &Release, folder: &Path) -> Result<()> {
        let file = folder.join(format!("cowtrace-{}.cdx.json", release.version));
        fs::write(&file, self.text()?).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn component(dependency: &Dependency) -> Value {
    let package = package(&dependency.name, &dependency.version);
    json!({
        "type": "library",
        "bom-ref": package,
        "name": dependency.name,
        "version": dependency.version,
        "purl": package,
        "licenses": [{ "expression": dependency.licence }],
    })
}

/// A package's address (<https://github.com/package-url/purl-spec>).
fn package(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_addresses() {
        assert_eq!(package("aya", "0.14.0"), "pkg:cargo/aya@0.14.0");
        assert_eq!(package("x", "1.0+2"), "pkg:cargo/x@1.0%2B2");
    }
}
