//! The servers that are measured: Debian's Redis, and Valkey, which is unpacked and not installed.

use std::{os::unix::fs::symlink, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    archive::{Archive, Scratch, Suite},
    packages::{self, Need},
    privilege, say,
};

/// Redis' server is among its tools too, under the name of one of them: that package starts no service.
const REDIS: Need = Need {
    program: "redis-check-rdb",
    packages: &["redis-tools"],
    why: "what its BGSAVE copies is measured",
};

/// Where Valkey is, and with what it runs.
const SUITE: &str = "trixie";
const VALKEY: &[&str] = &[
    "valkey-tools",
    "libc6",
    "libjemalloc2",
    "libsystemd0",
    "libcap2",
    "libssl3t64",
    "libzstd1",
    "zlib1g",
    "libatomic1",
    "liblzf1",
    "libgcc-s1",
    "libstdc++6",
];

/// Redis under its server's name.
pub(super) struct Redis(Scratch);

impl Redis {
    pub(super) fn ensure() -> Result<Self> {
        packages::ensure(&[REDIS])?;
        let program = privilege::find_program(REDIS.program).context("Redis was not installed")?;
        let folder = Scratch::new("redis")?;
        symlink(program, folder.path().join("redis-server")).context("cannot make a link")?;
        Ok(Self(folder))
    }

    /// The words that start it.
    pub(super) fn command(&self) -> String {
        self.0.path().join("redis-server").display().to_string()
    }
}

/// Valkey with the libraries of its own suite.
pub(super) struct Valkey(Scratch);

impl Valkey {
    pub(super) fn ensure() -> Result<Self> {
        if !cfg!(target_arch = "x86_64") {
            bail!("Valkey is measured on x86-64 only");
        }
        say("downloading Valkey and its libraries, some 10 MB, which are not installed");
        let suite = Suite::open(&Archive::of_this_machine()?, SUITE, "amd64")?;
        let folder = Scratch::new("valkey")?;
        suite.unpack_into(VALKEY, folder.path())?;
        Ok(Self(folder))
    }

    /// Started by the loader of its own suite: this machine's C library may be older.
    /// Libraries of the caller's come first.
    pub(super) fn command(&self, libraries: Option<&Path>) -> String {
        command_in(self.0.path(), libraries)
    }
}

fn command_in(root: &Path, libraries: Option<&Path>) -> String {
    let first = libraries.map_or_else(String::new, |folder| format!("{}:", folder.display()));
    let part = |part: &str| root.join(part).display().to_string();
    format!(
        "{} --argv0 valkey-server --library-path {first}{} {}",
        part("usr/lib64/ld-linux-x86-64.so.2"),
        part("usr/lib/x86_64-linux-gnu"),
        part("usr/bin/valkey-check-rdb"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valkey_is_started_with_its_own_libraries() {
        let command = command_in(Path::new("/cache/valkey"), None);
        let words: Vec<_> = command.split(' ').collect();
        assert_eq!(words[0], "/cache/valkey/usr/lib64/ld-linux-x86-64.so.2");
        assert_eq!(words[4], "/cache/valkey/usr/lib/x86_64-linux-gnu");
        assert_eq!(words.len(), 6);
        let command = command_in(Path::new("/v"), Some(Path::new("/own")));
        assert!(command.contains(" /own:/v/usr/lib/x86_64-linux-gnu "));
    }
}
