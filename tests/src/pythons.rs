//! The Pythons on this machine that the tests trace: installed ones, built ones, and unpacked
//! packages of distributions.

mod root;

pub(crate) use root::words as unpacked_words;

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::python;

/// Names a folder with one sub-folder per interpreter. `cargo xtask test` sets it.
pub const FOLDER: &str = "COWTRACE_PYTHONS";

/// Prints major and minor version, and whether there is no global interpreter lock; runs on any
/// version, even 2.7.
const ASK: &str = "import sys, sysconfig; \
    free = sysconfig.get_config_var('Py_GIL_DISABLED'); \
    print('%d %d %d' % (sys.version_info[0], sys.version_info[1], bool(free)))";

/// A `CPython` that cowtrace supports: 3.8 and later; without a global interpreter lock 3.13.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Major and minor.
    pub version: (u32, u32),
    /// Whether it has no global interpreter lock.
    pub is_free: bool,
    /// The words that start it, the interpreter last.
    words: Vec<OsString>,
}

impl Interpreter {
    /// Starts it; the caller adds arguments.
    pub fn command(&self) -> Command {
        command(&self.words)
    }

    /// Whether it can start another one by its own name: one from an unpacked package needs more words.
    #[must_use]
    pub fn starts_itself(&self) -> bool {
        self.words.len() == 1
    }

    fn program(&self) -> &Path {
        self.words.last().map_or(Path::new(""), Path::new)
    }

    /// Its real path: one interpreter may have several names.
    fn place(&self) -> PathBuf {
        let program = self.program();
        fs::canonicalize(program).unwrap_or_else(|_| program.to_path_buf())
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version;
        let free = if self.is_free { "t" } else { "" };
        let program = self.program().display();
        write!(f, "Python {major}.{minor}{free} ({program})")
    }
}

/// Number of the script's line that ends with this comment.
///
/// # Panics
/// If there is none.
pub fn line_of(script: &str, mark: &str) -> u64 {
    let mark = format!("# {mark}");
    let found = script.lines().position(|line| line.ends_with(&mark));
    found.expect("a marked line") as u64 + 1
}

/// All supported ones on this machine, the oldest first.
///
/// # Panics
/// If there is no python3, or if one that was placed here for the tests does not run.
pub fn interpreters() -> Vec<Interpreter> {
    let mut found: Vec<_> = installed()
        .into_iter()
        .filter_map(|path| Answer::of(vec![path.into()]))
        .collect();
    found.extend(given().into_iter().map(|words| {
        let shown = format!("{words:?}");
        Answer::of(words).unwrap_or_else(|| panic!("of {FOLDER}, this does not run: {shown}"))
    }));
    let mut found: Vec<_> = found.into_iter().filter_map(Answer::understood).collect();
    found.sort_by_cached_key(|python| (python.version, python.place()));
    found.dedup_by_key(|python| python.place());
    found
}

/// The oldest, the newest, and those without a global interpreter lock: where the tests that run with all of them show
/// what differs between versions.
///
/// # Panics
/// As [`interpreters`].
pub fn few() -> Vec<Interpreter> {
    few_of(interpreters())
}

/// The same of those whose objects can be walked.
///
/// # Panics
/// If there is none.
pub fn few_walkable() -> Vec<Interpreter> {
    few_of(walkable())
}

fn few_of(all: Vec<Interpreter>) -> Vec<Interpreter> {
    let last = all.len() - 1;
    let kept = all.into_iter().enumerate();
    kept.filter(|(place, python)| *place == 0 || *place == last || python.is_free)
        .map(|(_, python)| python)
        .collect()
}

/// The interpreters whose objects can be walked.
///
/// # Panics
/// If there is none.
pub fn walkable() -> Vec<Interpreter> {
    let mut found = interpreters();
    found.retain(|python| {
        let last = if python.is_free { (3, 13) } else { (3, 15) };
        (3, 8) <= python.version && python.version <= last
    });
    assert!(!found.is_empty(), "no CPython of 3.8 to 3.15 is here");
    found
}

/// Where a machine may have some.
fn installed() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(python())];
    let pyenv = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    for root in pyenv.into_iter().chain(home) {
        for version in fs::read_dir(root.join("versions")).into_iter().flatten() {
            found.extend(version.map(|version| version.path().join("bin/python3")));
        }
    }
    found.extend((8..=15).map(|minor| PathBuf::from(format!("/usr/bin/python3.{minor}"))));
    found
}

/// Those in the given folder, if any.
fn given() -> Vec<Vec<OsString>> {
    let Some(folder) = env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else {
        return Vec::new();
    };
    let places = fs::read_dir(&folder);
    let places = places.unwrap_or_else(|error| panic!("{FOLDER}={}: {error}", folder.display()));
    places
        .filter_map(|place| words(&place.ok()?.path()))
        .collect()
}

/// The words that start the Python in a folder: unpacked from packages, or installed with the
/// folder as its prefix.
fn words(place: &Path) -> Option<Vec<OsString>> {
    root::words(place).or_else(|| {
        let program = place.join("bin/python3");
        program.is_file().then(|| vec![program.into()])
    })
}

fn command(words: &[OsString]) -> Command {
    let (program, arguments) = words.split_first().expect("an interpreter has a name");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// What a Python reports about itself.
struct Answer {
    version: (u32, u32),
    is_free: bool,
    words: Vec<OsString>,
}

impl Answer {
    /// `None` if it does not run.
    fn of(words: Vec<OsString>) -> Option<Self> {
        let output = command(&words).args(["-c", ASK]).output().ok()?;
        let (version, is_free) = parse(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self {
            version,
            is_free,
            words,
        })
    }

    fn understood(self) -> Option<Interpreter> {
        let Self {
            version,
            is_free,
            words,
        } = self;
        let first = if is_free { (3, 13) } else { (3, 8) };
        (version >= first).then_some(Interpreter {
            version,
            is_free,
            words,
        })
    }
}

fn parse(answer: &str) -> Option<((u32, u32), bool)> {
    let mut numbers = answer.split_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    let (major, minor, free): (_, _, u32) = (next()?, next()?, next()?);
    Some(((major, minor), free != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(version: (u32, u32), is_free: bool) -> Option<Interpreter> {
        let words = vec!["loader".into(), "/root/usr/bin/python3.14".into()];
        let answer = Answer {
            version,
            is_free,
            words,
        };
        answer.understood()
    }

    #[test]
    fn only_what_is_understood_is_traced() {
        assert!(answered((3, 8), false).is_some() && answered((3, 14), false).is_some());
        assert!(answered((3, 7), false).is_none() && answered((2, 7), false).is_none());
        assert!(answered((3, 12), true).is_none() && answered((3, 13), true).is_some());
    }

    #[test]
    fn an_interpreter_is_named_by_its_version_and_not_by_its_loader() {
        let python = answered((3, 14), false).unwrap();
        assert_eq!(python.to_string(), "Python 3.14 (/root/usr/bin/python3.14)");
        assert_eq!(python.command().get_program(), "loader");
    }

    #[test]
    fn an_answer_is_three_numbers() {
        assert_eq!(parse("3 13 0\n"), Some(((3, 13), false)));
        assert_eq!(parse("3 14 1\n"), Some(((3, 14), true)));
        assert_eq!(parse(""), None);
        assert_eq!(parse("Traceback (most recent call last)"), None);
    }

    #[test]
    fn what_was_unpacked_is_started_by_its_own_loader() {
        let folder = env::temp_dir().join(format!("cowtrace-root-{}", std::process::id()));
        for (path, name) in [
            ("usr/bin", "python3.14"),
            ("usr/bin", "pydoc3.14"),
            (root::LOADER[1], root::LOADER[0]),
        ] {
            fs::create_dir_all(folder.join(path)).unwrap();
            fs::write(folder.join(path).join(name), "").unwrap();
        }
        let started = words(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let [loader, place, _] = root::LOADER;
        assert_eq!(started[0], folder.join(place).join(loader));
        assert_eq!(started[3], folder.join("usr/bin/python3.14"));
        assert_eq!(words(&folder), None);
    }
}
