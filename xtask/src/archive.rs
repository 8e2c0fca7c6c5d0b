//! Debian's archive, read through separate package lists in the cache: the machine's apt uses other
//! suites, and neither its lists nor its packages are changed. Callers say what to do if there is
//! no archive.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    packages, privilege, toolchain,
    workspace::{self, output},
};

/// The archive from which this machine's apt gets Debian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    main: String,
    security: Option<String>,
}

impl Archive {
    /// According to apt's configuration here; refreshes its lists only if it has none.
    pub(crate) fn of_this_machine() -> Result<Self> {
        if privilege::find_program("apt-get").is_none()
            || privilege::find_program("dpkg-deb").is_none()
        {
            bail!("there is no apt here");
        }
        let mut told = index_targets()?;
        if told.trim().is_empty() {
            packages::update()?;
            told = index_targets()?;
        }
        Self::from_targets(&told).context("this machine's apt does not have Debian's archive")
    }

    /// Lines of origin, label and address.
    fn from_targets(told: &str) -> Option<Self> {
        let targets = told.lines().filter_map(|line| {
            let mut words = line.split('|');
            (words.next()? == "Debian").then_some((words.next()?, words.next()?))
        });
        let of = |label: &str| {
            let mut targets = targets.clone().filter(|(other, _)| *other == label);
            targets.next().map(|(_, address)| address.to_owned())
        };
        Some(Self {
            main: of("Debian")?,
            security: of("Debian-Security"),
        })
    }

    /// Its address, without that of security updates.
    pub(crate) fn main(&self) -> &str {
        &self.main
    }

    fn address(&self, suite: &str) -> Result<&str> {
        if !suite.ends_with("-security") {
            return Ok(&self.main);
        }
        self.security.as_deref().with_context(|| {
            format!("this machine's apt has no security archive, where {suite} is")
        })
    }
}

fn index_targets() -> Result<String> {
    let format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
    output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Created-By: Packages",
    ]))
}

/// A suite of the archive for an architecture, with separate lists.
pub(crate) struct Suite {
    name: String,
    /// Debian's name for the architecture; `source` for source packages.
    arch: &'static str,
    folder: PathBuf,
}

impl Suite {
    /// Reads its newest lists for an architecture, given by Debian's name.
    pub(crate) fn open(archive: &Archive, name: &str, arch: &'static str) -> Result<Self> {
        Self::open_lists(archive, name, arch, "deb")
    }

    fn open_lists(archive: &Archive, name: &str, arch: &'static str, kind: &str) -> Result<Self> {
        let folder = toolchain::cache()
            .join("apt")
            .join(format!("{name}-{arch}"));
        let suite = Self {
            name: name.to_owned(),
            arch,
            folder,
        };
        for part in ["lists/partial", "archives/partial"] {
            let path = suite.folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let source = source_line(kind, archive.address(name)?, name);
        fs::write(suite.folder.join("sources.list"), source)
            .context("cannot write the list of sources")?;
        suite
            .apt("apt-get", &["-qq", "update"])
            .and_then(|mut apt| workspace::run(apt.stdout(std::io::stderr())))
            .with_context(|| format!("cannot read the suite {name} of Debian's archive"))?;
        Ok(suite)
    }

    /// Reads its newest lists of source packages.
    pub(crate) fn open_sources(archive: &Archive, name: &str) -> Result<Self> {
        Self::open_lists(archive, name, "source", "deb-src")
    }

    /// Downloads a source package into an existing folder.
    pub(crate) fn download_source(&self, package: &str, folder: &Path) -> Result<()> {
        let mut apt = self.apt("apt-get", &["-qq", "source", "--download-only", package])?;
        workspace::run(apt.current_dir(folder).stdout(std::io::stderr()))
            .with_context(|| format!("cannot get the source of {package} from {}", self.name))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Names of all packages with this prefix.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = output(&mut self.apt("apt-cache", &["pkgnames", prefix])?)?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Whether it has a package (its name, or `NAME=VERSION`).
    pub(crate) fn has(&self, package: &str) -> Result<bool> {
        let mut apt = self.apt("apt-cache", &["show", "--quiet", package])?;
        // apt succeeds silently if there are only other versions.
        Ok(!apt.stderr(Stdio::null()).output()?.stdout.is_empty())
    }

    /// Downloads a package (its name, or `NAME=VERSION`) and unpacks it into a new folder, which
    /// belongs to the caller.
    pub(crate) fn unpack(&self, package: &str) -> Result<Scratch> {
        let scratch = Scratch::new("unpacked")?;
        self.unpack_into(&[package], scratch.path())?;
        Ok(scratch)
    }

    /// Downloads packages and unpacks them into one existing folder, one over the other.
    pub(crate) fn unpack_into(&self, packages: &[&str], folder: &Path) -> Result<()> {
        let files = Scratch::new("packages")?;
        let download = || -> Result<()> {
            let mut apt = self.apt("apt-get", &["-qq", "download"])?;
            apt.args(packages)
                .current_dir(files.path())
                .stdout(std::io::stderr());
            workspace::run(&mut apt)?;
            for file in fs::read_dir(files.path())? {
                let mut dpkg = Command::new("dpkg-deb");
                workspace::run(dpkg.arg("-x").arg(file?.path()).arg(folder))?;
            }
            Ok(())
        };
        download().with_context(|| format!("cannot get {} from {}", packages.join(", "), self.name))
    }

    fn apt(&self, program: &str, arguments: &[&str]) -> Result<Command> {
        let folder = self
            .folder
            .to_str()
            .context("the cache's path is not UTF-8")?;
        let mut command = Command::new(program);
        command
            .args(options(folder, self.arch))
            .args(arguments)
            .env("LC_ALL", "C");
        Ok(command)
    }
}

/// The folder has everything that would otherwise change the machine's own state, and only package
/// lists are downloaded.
fn options(folder: &str, arch: &str) -> Vec<String> {
    [
        &*format!("Dir::Etc::sourcelist={folder}/sources.list"),
        "Dir::Etc::sourceparts=/dev/null",
        "Dir::Etc::preferences=/dev/null",
        "Dir::Etc::preferencesparts=/dev/null",
        &format!("Dir::State={folder}"),
        "Dir::State::status=/dev/null",
        &format!("Dir::Cache={folder}"),
        &format!("APT::Architecture={arch}"),
        &format!("APT::Architectures={arch}"),
        // Another user could not write into the cache.
        "APT::Sandbox::User=",
        "Acquire::Languages=none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
    ]
    .iter()
    .map(|option| format!("-o{option}"))
    .collect()
}

/// The keys that sign Debian's suites, including suites that are no longer supported.
fn source_line(kind: &str, address: &str, suite: &str) -> String {
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    format!("{kind} [signed-by={keys}] {address} {suite} main\n")
}

/// A folder in the cache that is removed afterwards.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = toolchain::cache().join(format!("{name}-{}", std::process::id()));
        remove_abandoned(&toolchain::cache(), name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Folders of runs that were killed before they could remove them.
fn remove_abandoned(cache: &Path, name: &str) {
    for folder in fs::read_dir(cache).into_iter().flatten().flatten() {
        let path = folder.path();
        let owner = path.file_name().and_then(|file| {
            let (begin, process) = file.to_str()?.rsplit_once('-')?;
            (begin == name).then(|| process.parse::<u32>().ok())?
        });
        if owner.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_one_that_apt_has() {
        let told = "Others|Tools|http://tools.invalid/|stable\n\
            Debian|Debian|http://mirror.invalid/debian/|bookworm\n\
            Debian|Debian Backports|http://other.invalid/debian/|bookworm-backports\n\
            Debian|Debian-Security|http://mirror.invalid/security/|bookworm-security\n";
        let archive = Archive::from_targets(told).unwrap();
        assert_eq!(
            archive.address("trixie-backports").unwrap(),
            "http://mirror.invalid/debian/"
        );
        assert_eq!(
            archive.address("bullseye-security").unwrap(),
            "http://mirror.invalid/security/"
        );
    }

    #[test]
    fn a_machine_without_the_archive_is_told_so() {
        assert_eq!(
            Archive::from_targets("Ubuntu|Ubuntu|http://u.invalid/|noble"),
            None
        );
        let told = "Debian|Debian|http://mirror.invalid/debian/|sid";
        let archive = Archive::from_targets(told).unwrap();
        let error = archive.address("bookworm-security");
        assert!(error.unwrap_err().to_string().contains("bookworm-security"));
    }

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let cache = std::env::temp_dir().join(format!("cowtrace-left-{}", std::process::id()));
        let live = format!("python-{}", std::process::id());
        let folders = ["python-4294967295", "pythons", &live, "other-4294967295"];
        for folder in folders {
            fs::create_dir_all(cache.join(folder)).unwrap();
        }
        remove_abandoned(&cache, "python");
        let left = folders.map(|folder| cache.join(folder).is_dir());
        fs::remove_dir_all(&cache).unwrap();
        assert_eq!(left, [false, true, true, true]);
    }

    #[test]
    fn apt_works_in_a_folder_of_its_own() {
        let options = options("/cache", "arm64");
        for own in [
            "-oDir::State=/cache",
            "-oDir::Cache=/cache",
            "-oDir::Etc::sourcelist=/cache/sources.list",
            "-oDir::Etc::sourceparts=/dev/null",
            "-oDir::State::status=/dev/null",
            "-oAPT::Architecture=arm64",
        ] {
            assert!(options.iter().any(|option| option == own), "{own}");
        }
        let source = source_line("deb", "http://mirror.invalid/debian/", "trixie");
        assert!(source.starts_with("deb [signed-by=/usr/share/keyrings/debian-archive"));
        assert!(source.ends_with("] http://mirror.invalid/debian/ trixie main\n"));
    }
}
