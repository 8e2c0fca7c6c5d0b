//! The command that runs this program again by sudo, for messages: to be pasted into a shell.
//!
//! sudo looks for programs in folders of its own, not in the caller's `PATH`: one in `~/.local/bin` or
//! `~/.cargo/bin` is not found there, and is named by its path.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{self, Path, PathBuf},
};

use crate::foreign::shell_word;

/// Where sudo looks for programs, as Debian and Ubuntu set it up (`secure_path` in sudoers).
const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The name that it is installed under.
const NAME: &str = "cowtrace";

/// This very command by sudo; none for root, to whom sudo gives no more rights.
#[must_use]
pub fn itself_by_sudo() -> Option<String> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    (!nix::unistd::geteuid().is_root()).then(|| command_by_sudo(&arguments))
}

/// This program by sudo, with these arguments.
#[must_use]
pub fn command_by_sudo<A: AsRef<OsStr>>(arguments: &[A]) -> String {
    let started = Started {
        as_typed: &env::args_os().next().unwrap_or_default(),
        folders: &env::var_os("PATH").unwrap_or_default(),
        itself: Path::new("/proc/self/exe"),
    };
    let program = started.name_for_sudo(SECURE_PATH.as_ref());
    let words = [OsStr::new("sudo"), &program].into_iter();
    let words = words.chain(arguments.iter().map(AsRef::as_ref));
    words.map(shell_word).collect::<Vec<_>>().join(" ")
}

/// How a program was started.
struct Started<'a> {
    /// The first word of its command.
    as_typed: &'a OsStr,
    /// Where the shell looked for it.
    folders: &'a OsStr,
    /// A link to its file.
    itself: &'a Path,
}

impl Started<'_> {
    /// What names the program to sudo: its name if sudo finds it in these folders, else a path.
    fn name_for_sudo(&self, secure: &OsStr) -> OsString {
        let own = file_identity(self.itself);
        let is_own = |path: &PathBuf| own.is_some() && file_identity(path) == own;
        let name = Path::new(self.as_typed).file_name();
        let name = name.unwrap_or(NAME.as_ref());
        if first_program(name, secure).as_ref().is_some_and(is_own) {
            return name.into();
        }
        // The path by which it was started may be a link that the user knows better.
        let file = || fs::read_link(self.itself).ok().filter(is_own);
        let path = self.typed_path().filter(is_own).or_else(file);
        // None if its file was removed or replaced meanwhile.
        path.map_or_else(|| NAME.into(), PathBuf::into_os_string)
    }

    /// The path by which it was started, as far as the shell's ways show.
    fn typed_path(&self) -> Option<PathBuf> {
        let typed = Path::new(self.as_typed);
        if typed.components().count() > 1 {
            return path::absolute(typed).ok();
        }
        path::absolute(first_program(self.as_typed, self.folders)?).ok()
    }
}

/// The first program of a name in some folders.
fn first_program(name: &OsStr, folders: &OsStr) -> Option<PathBuf> {
    let mut paths = env::split_paths(folders).map(|folder| folder.join(name));
    paths.find(|path| path.is_file())
}

/// Which file a path leads to.
fn file_identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scratch::Scratch;

    /// A program that was started by its file in `home/`, with a link to it in `bin/`, and another one of its
    /// name in `other/`.
    struct Ground(Scratch);

    impl Ground {
        fn new() -> Self {
            let ground = Self(Scratch::new("by-sudo"));
            for folder in ["home", "bin", "other", "empty"] {
                fs::create_dir(ground.path(folder)).unwrap();
            }
            fs::write(ground.path("home/cowtrace"), "one").unwrap();
            fs::write(ground.path("other/cowtrace"), "another").unwrap();
            symlink(ground.path("home/cowtrace"), ground.path("bin/cowtrace")).unwrap();
            symlink(ground.path("home/cowtrace"), ground.path("itself")).unwrap();
            ground
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path(name)
        }

        fn name(&self, typed: &Path, folder: &str, secure: &str) -> PathBuf {
            let (folder, itself) = (self.path(folder), self.path("itself"));
            let started = Started {
                as_typed: typed.as_os_str(),
                folders: folder.as_os_str(),
                itself: &itself,
            };
            started.name_for_sudo(self.path(secure).as_os_str()).into()
        }
    }

    #[test]
    fn a_program_that_sudo_finds_is_named_and_any_other_has_its_path() {
        let ground = Ground::new();
        let (home, link) = (ground.path("home/cowtrace"), ground.path("bin/cowtrace"));
        let by_name = Path::new("cowtrace");
        assert_eq!(ground.name(by_name, "home", "home"), by_name);
        assert_eq!(ground.name(by_name, "home", "bin"), by_name);
        assert_eq!(ground.name(&home, "empty", "home"), by_name);
        // sudo would find nothing, or another one.
        assert_eq!(ground.name(by_name, "home", "empty"), home);
        assert_eq!(ground.name(by_name, "home", "other"), home);
        assert_eq!(ground.name(by_name, "bin", "other"), link);
        assert_eq!(ground.name(&link, "empty", "empty"), link);
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_not_named() {
        let ground = Ground::new();
        let home = ground.path("home/cowtrace");
        let other = ground.path("other/cowtrace");
        assert_eq!(ground.name(&other, "home", "empty"), home);
        assert_eq!(ground.name(Path::new("cowtrace"), "other", "empty"), home);
        assert_eq!(ground.name(Path::new(""), "other", "empty"), home);
        fs::remove_file(&home).unwrap();
        let gone = ground.name(&home, "home", "empty");
        assert_eq!(gone, Path::new("cowtrace"));
    }

    #[test]
    fn arguments_are_quoted() {
        let command = command_by_sudo(&["--match", "a b", "-o", "it's\n\u{1b}[2J"]);
        assert!(command.starts_with("sudo "), "{command}");
        assert!(
            command.ends_with(r" --match 'a b' -o $'it\'s\x0a\x1b[2J'"),
            "{command}"
        );
    }
}
