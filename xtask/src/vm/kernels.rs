//! Kernels: a file, or the newest package of a version. Debian's cloud kernels have everything that
//! a virtual machine needs built in, and are small.

use std::{
    convert::Infallible,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    arch::Arch,
    archive::{Archive, Suite},
    say, toolchain,
};

/// The suites that have a version, the most likely first. Unlisted versions are or were in the
/// backports of the stable release.
const SUITES: [(&str, &[&str]); 4] = [
    ("5.10", &["bullseye-security"]),
    ("6.1", &["bookworm-security", "bookworm"]),
    ("6.12", &["bookworm-security", "trixie-security", "trixie"]),
    ("", &["trixie-backports"]),
];
/// From 6.19 on, the package linux-image only depends on one with the binary.
const PREFIXES: [&str; 2] = ["linux-binary-", "linux-image-"];

/// A requested kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The newest one of a version: `6.12`.
    Version(String),
    /// A bzImage or an Image.
    File(PathBuf),
}

impl FromStr for Choice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.contains('.') && text.split('.').all(digits) {
            return Ok(Self::Version(text.to_owned()));
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => f.write_str(version),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The file to boot. A version is downloaded once, and again only with `--refresh`.
pub(crate) fn image(choice: &Choice, arch: Arch, refresh: bool) -> Result<PathBuf> {
    let version = match choice {
        Choice::Version(version) => version,
        Choice::File(path) if path.is_file() => return Ok(path.clone()),
        Choice::File(path) => bail!("{} is neither a version nor a file", path.display()),
    };
    let folder = cache().join(arch.name()).join(version);
    match newest_file(&folder) {
        Some(image) if !refresh => Ok(image),
        _ => download(version, arch, &folder).with_context(|| {
            format!(
                "cannot get kernel {version} from Debian's archive (instead, give a file: `cargo xtask vm --kernel FILE`)"
            )
        }),
    }
}

/// Where kernels and files for them are kept.
pub(crate) fn cache() -> PathBuf {
    toolchain::cache().join("kernels")
}

fn newest_file(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder)
        .ok()?
        .filter_map(|file| Some(file.ok()?.path()));
    files.max_by_key(|path| numbers(&path.file_name().unwrap_or_default().to_string_lossy()))
}

fn download(version: &str, arch: Arch, folder: &Path) -> Result<PathBuf> {
    let archive = Archive::of_this_machine()?;
    let suites = suites(version);
    for suite in suites {
        let suite = Suite::open(&archive, suite, arch.debian())?;
        if let Some(package) = find(&suite, version, arch)? {
            say(&format!(
                "downloading {} from {}",
                package.name,
                suite.name()
            ));
            return keep(&suite, &package, folder);
        }
    }
    bail!(
        "it is not available for {} in {} (any more)",
        arch.debian(),
        suites.join(", ")
    )
}

fn suites(version: &str) -> &'static [&'static str] {
    let fits = |known: &str| numbers(version).starts_with(&numbers(known));
    SUITES
        .iter()
        .find(|(known, _)| fits(known))
        .map_or(&[], |(_, suites)| suites)
}

/// A package with a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    /// Its release, as `uname -r` prints it.
    release: String,
}

fn find(suite: &Suite, version: &str, arch: Arch) -> Result<Option<Package>> {
    for prefix in PREFIXES {
        let names = suite.names(&format!("{prefix}{version}"))?;
        if let Some(package) = newest(&names, prefix, version, arch) {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

/// The newest signed cloud kernel of a version among these package names.
fn newest(names: &[String], prefix: &str, version: &str, arch: Arch) -> Option<Package> {
    let flavour = format!("-cloud-{}", arch.debian());
    let releases = names.iter().filter_map(|name| {
        let release = name.strip_prefix(prefix)?;
        let number = release.strip_suffix(&flavour)?;
        let is_number = number.starts_with(|letter: char| letter.is_ascii_digit());
        let fits = numbers(number).starts_with(&numbers(version));
        (is_number && fits).then_some((name, release))
    });
    let (name, release) = releases.max_by_key(|(_, release)| numbers(release))?;
    Some(Package {
        name: name.clone(),
        release: release.to_owned(),
    })
}

/// Unpacks the kernel into the cache, under its release's name.
fn keep(suite: &Suite, package: &Package, folder: &Path) -> Result<PathBuf> {
    let unpacked = suite.unpack(&package.name)?;
    let release = &package.release;
    let places = [
        format!("boot/vmlinuz-{release}"),
        // Since 7.3.
        format!("usr/lib/modules/{release}/vmlinuz"),
    ];
    let kernel = places
        .iter()
        .map(|place| unpacked.path().join(place))
        .find(|path| path.is_file())
        .with_context(|| format!("{} has no vmlinuz where it was looked for", package.name))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let kept = folder.join(release);
    fs::rename(kernel, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
    Ok(kept)
}

/// The numbers in a version, for sorting.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest_of(names: &[&str], prefix: &str, version: &str) -> Option<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        newest(&names, prefix, version, Arch::X86_64).map(|package| package.name)
    }

    #[test]
    fn the_newest_signed_cloud_kernel_is_taken() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.1.0-57-cloud-amd64-unsigned",
            "linux-image-6.1.0-58-cloud-amd64-dbg",
            "linux-image-6.1.0-59-amd64",
            "linux-image-6.1.0-60-cloud-arm64",
            "linux-image-6.12.43+deb12-cloud-amd64",
        ];
        assert_eq!(
            newest_of(&names, "linux-image-", "6.1").as_deref(),
            Some("linux-image-6.1.0-56-cloud-amd64")
        );
        assert_eq!(newest_of(&names, "linux-image-", "6.19"), None);
    }

    #[test]
    fn binaries_that_are_unsigned_are_no_kernel_to_boot() {
        let names = [
            "linux-binary-7.0.9+deb13-cloud-amd64",
            "linux-binary-7.0.10+deb13-cloud-amd64",
            "linux-binary-unsigned-7.0.11+deb13-cloud-amd64",
        ];
        assert_eq!(
            newest_of(&names, "linux-binary-", "7.0").as_deref(),
            Some("linux-binary-7.0.10+deb13-cloud-amd64")
        );
    }

    #[test]
    fn a_version_is_looked_for_where_it_is() {
        assert_eq!(suites("5.10"), ["bullseye-security"]);
        assert_eq!(suites("6.1.0")[0], "bookworm-security");
        assert_eq!(suites("6.12")[0], "bookworm-security");
        assert_eq!(suites("6.19"), ["trixie-backports"]);
    }

    #[test]
    fn anything_but_a_version_is_a_file() {
        let choice = |text: &str| text.parse::<Choice>().unwrap();
        assert_eq!(choice("6.12"), Choice::Version("6.12".to_owned()));
        assert_eq!(choice("6"), Choice::File("6".into()));
        assert_eq!(choice("./6.12"), Choice::File("./6.12".into()));
        assert_eq!(
            choice("arch/x86/boot/bzImage").to_string(),
            "arch/x86/boot/bzImage"
        );
    }
}
