//! The container image: the program and its licences, in nothing. One archive has all architectures, in the layout
//! of <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>; podman, skopeo and Docker read it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    files::{Files, compressed, read},
    release::Release,
    tarball,
};
use crate::{
    arch::Arch,
    archive::Scratch,
    workspace::{self, absolute, output},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes `cowtrace-VERSION.oci.tar`.
pub(super) fn write(built: &[(Arch, Files)], release: &Release, folder: &Path) -> Result<()> {
    let layout = Layout::new()?;
    let mut manifests = Vec::new();
    for (arch, files) in built {
        let mut manifest = layout.image(*arch, files, release)?;
        manifest["platform"] = json!({ "os": "linux", "architecture": arch.debian() });
        manifests.push(manifest);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let mut all = layout.add_json(INDEX, &index)?;
    all["annotations"] = json!({ "org.opencontainers.image.ref.name": release.version });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [all] });
    layout.write("index.json", index.to_string().as_bytes())?;
    layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let file = absolute(folder)?.join(format!("cowtrace-{}.oci.tar", release.version));
    let mut tar = tarball::tar(release, layout.folder.path());
    tar.arg("--create").arg("--file").arg(&file);
    workspace::run(tar.args(["oci-layout", "index.json", "blobs"]))
}

/// The archive's folder.
struct Layout {
    folder: Scratch,
}

impl Layout {
    fn new() -> Result<Self> {
        let folder = Scratch::new("image")?;
        fs::create_dir_all(folder.path().join("blobs/sha256")).context("cannot make a folder")?;
        Ok(Self { folder })
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        fs::write(self.folder.path().join(name), content)
            .with_context(|| format!("cannot write {name}"))
    }

    /// Adds a blob under its digest, and returns what describes it.
    fn add(&self, media: &str, content: &[u8]) -> Result<Value> {
        self.write("blob", content)?;
        let blob = self.folder.path().join("blob");
        let digest = digest(&blob)?;
        let to = self.folder.path().join("blobs/sha256").join(&digest);
        fs::rename(&blob, to).context("cannot rename a blob")?;
        Ok(json!({
            "mediaType": media,
            "digest": format!("sha256:{digest}"),
            "size": content.len(),
        }))
    }

    fn add_json(&self, media: &str, value: &Value) -> Result<Value> {
        self.add(media, value.to_string().as_bytes())
    }

    /// Adds an image with one layer, and returns what describes its manifest.
    fn image(&self, arch: Arch, files: &Files, release: &Release) -> Result<Value> {
        let layer = layer(files, release)?;
        let config = json!({
            "created": release.iso()?,
            "architecture": arch.debian(),
            "os": "linux",
            "config": {
                "Entrypoint": ["/usr/bin/cowtrace"],
                "Env": ["PATH=/usr/bin"],
                "Labels": {
                    "org.opencontainers.image.title": "cowtrace",
                    "org.opencontainers.image.version": release.version,
                    "org.opencontainers.image.revision": release.commit,
                    "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
                },
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)] },
            "history": [{ "created": release.iso()?, "created_by": "cargo xtask dist" }],
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add_json(CONFIG, &config)?,
            "layers": [self.add(LAYER, &layer.compressed)?],
        });
        self.add_json(MANIFEST, &manifest)
    }
}

/// The files of an image.
struct Layer {
    compressed: Vec<u8>,
    /// Of the archive before it was compressed.
    digest: String,
}

fn layer(files: &Files, release: &Release) -> Result<Layer> {
    let scratch = Scratch::new("layer")?;
    let wanted = files.moved(|place| {
        // Nobody reads the book there.
        let is_document = place.starts_with("share/doc/") && !place.contains("/docs/");
        let is_wanted = place == "bin/cowtrace" || is_document;
        is_wanted.then(|| format!("usr/{place}"))
    });
    let root = scratch.path().join("root");
    wanted.write(&root)?;
    let archive: PathBuf = scratch.path().join("layer.tar");
    let mut tar = tarball::tar(release, &root);
    workspace::run(tar.arg("--create").arg("--file").arg(&archive).arg("usr"))?;
    Ok(Layer {
        compressed: compressed(&read(&archive)?)?,
        digest: digest(&archive)?,
    })
}

/// The SHA-256 of a file, in hexadecimal.
fn digest(file: &Path) -> Result<String> {
    let told = output(Command::new("sha256sum").arg(file))?;
    let digest = told.split_ascii_whitespace().next();
    Ok(digest.context("sha256sum prints nothing")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_lies_under_its_digest() {
        let layout = Layout::new().unwrap();
        let described = layout.add(CONFIG, b"").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(described["digest"], format!("sha256:{empty}"));
        assert_eq!(described["size"], 0);
        let blob = layout.folder.path().join("blobs/sha256").join(empty);
        assert!(blob.is_file());
    }
}
