//! Interpreters whose objects, lines and variables cowtrace cannot read: the report says so, where otherwise
//! functions of theirs would seem to be all there is.

use super::writers::{is_pythons, pages};
use crate::run::{Run, Writer};

/// From this share of the copies on, an interpreter is worth a word.
const SHARE: f64 = 0.25;
/// The oldest CPython that is read, 3.x.
const OLDEST_MINOR: u32 = 8;

/// An interpreter that is not read.
struct UnreadRuntime {
    /// How its file names begin; a version may follow.
    files: &'static [&'static str],
    name: &'static str,
    /// What it writes, and what can be done.
    what: &'static str,
}

const UNREAD: [UnreadRuntime; 8] = [
    UnreadRuntime {
        files: &["libpypy", "pypy"],
        name: "PyPy",
        what: "It has no reference counts: its garbage collector marks and moves objects. Debug symbols do not \
               tell more. cowtrace reads CPython 3.8 and later.",
    },
    UnreadRuntime {
        files: &["libpythonvm", "graalpy", "libgraal"],
        name: "GraalPy",
        what: "Its code is compiled while it runs, and its objects are Java's. cowtrace reads CPython 3.8 and later.",
    },
    UnreadRuntime {
        files: &["micropython"],
        name: "MicroPython",
        what: "cowtrace reads CPython 3.8 and later.",
    },
    UnreadRuntime {
        files: &["libruby", "ruby"],
        name: "Ruby",
        what: "Its garbage collector marks objects, and its caches are filled while it runs.",
    },
    UnreadRuntime {
        files: &["libperl", "perl"],
        name: "Perl",
        what: "It counts references, as CPython does, and keeps numbers in strings that were used as numbers.",
    },
    UnreadRuntime {
        files: &["php", "libphp"],
        name: "PHP",
        what: "It counts references, as CPython does.",
    },
    UnreadRuntime {
        files: &["libR.so"],
        name: "R",
        what: "Its garbage collector marks objects.",
    },
    UnreadRuntime {
        files: &["node", "libnode"],
        name: "Node.js",
        what: "Its code is compiled while it runs, and its collector moves objects.",
    },
];

/// That objects, lines and variables of the main interpreter are not known, and why; `None` if none of those is
/// behind the copies.
pub(super) fn unread_runtime(run: &Run) -> Option<String> {
    let writers = &run.who_wrote.writers;
    let all = pages(writers);
    let is_much = |pages: u64| pages > 0 && pages as f64 >= SHARE * all as f64;
    let nameless: Vec<&Writer> = writers
        .iter()
        .filter(|writer| !is_pythons(writer))
        .collect();
    let of = |fits: &dyn Fn(&str) -> bool| {
        let of_it = nameless
            .iter()
            .filter(|writer| writer.module.as_deref().is_some_and(fits));
        pages(of_it.copied())
    };
    let old = nameless
        .iter()
        .filter_map(|writer| old_python(writer.module.as_deref()?))
        .find(|version| is_much(of(&|module| old_python(module).as_ref() == Some(version))));
    if let Some((major, minor)) = old {
        return Some(format!(
            "CPython {major}.{minor} is too old: cowtrace knows its functions only. It reads types, lines and \
             variables from 3.{OLDEST_MINOR} on."
        ));
    }
    let found = UNREAD.iter().find(|runtime| {
        let is_it = |module: &str| runtime.files.iter().any(|file| is_file_of(module, file));
        is_much(of(&is_it))
    })?;
    let is_of_it = |writer: &&Writer| {
        let module = writer.module.as_deref().unwrap_or_default();
        found.files.iter().any(|file| is_file_of(module, file))
    };
    let mut written = nameless.iter().copied().filter(is_of_it);
    let known = if written.any(|writer| writer.type_name.is_some()) {
        "its functions and the classes of its objects, not its lines and variables"
    } else {
        "its functions, not its objects, lines and variables"
    };
    Some(format!(
        "{} runs here: cowtrace knows {known}. {}",
        found.name, found.what
    ))
}

/// Whether debug symbols of a file would give names: what is compiled while it runs has none.
pub(super) fn has_symbols(module: &str) -> bool {
    let without = &UNREAD[..2];
    let mut files = without.iter().flat_map(|runtime| runtime.files);
    !files.any(|file| is_file_of(module, file))
}

/// `libpypy3.9-c.so`, `pypy3`: the name, then a version or an ending.
fn is_file_of(module: &str, file: &str) -> bool {
    module.strip_prefix(file).is_some_and(|rest| {
        !rest.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
    })
}

/// The version of a CPython that is too old, by the name of its program or library.
fn old_python(module: &str) -> Option<(u32, u32)> {
    let version = module
        .strip_prefix("libpython")
        .or_else(|| module.strip_prefix("python"))?;
    let (major, rest) = version.split_once('.')?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit());
    let minor: u32 = rest[..digits.unwrap_or(rest.len())].parse().ok()?;
    let major: u32 = major.parse().ok()?;
    ((major, minor) < (3, OLDEST_MINOR)).then_some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::arbitrary;

    fn run_of(modules: &[(&str, u64)]) -> Run {
        let mut run = arbitrary::empty();
        let writer = |&(module, copied_pages): &(&str, u64)| Writer {
            copied_pages,
            ..Writer::native(module, "f", None)
        };
        run.who_wrote.writers = modules.iter().map(writer).collect();
        run
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_reason() {
        let said = |modules: &[(&str, u64)]| unread_runtime(&run_of(modules)).unwrap_or_default();
        assert!(said(&[("libpython3.7m.so.1.0", 9)]).starts_with("CPython 3.7 is too old"));
        assert!(said(&[("python2.7", 9), ("libc.so.6", 1)]).starts_with("CPython 2.7"));
        assert!(said(&[("libpypy3.9-c.so", 9)]).starts_with("PyPy runs here"));
        assert!(said(&[("libruby-3.1.so.3.1.2", 9)]).starts_with("Ruby runs here"));
        assert!(said(&[("php8.2", 9)]).starts_with("PHP runs here"));
    }

    #[test]
    fn what_is_read_or_rare_needs_no_word() {
        for modules in [
            &[("libpython3.11.so.1.0", 9)][..],
            &[("python3.8", 9)],
            &[("python3", 9)],
            &[("libpypy3.9-c.so", 1), ("redis-server", 9)],
            &[("nodeps", 9)],
            &[],
        ] {
            assert_eq!(unread_runtime(&run_of(modules)), None, "{modules:?}");
        }
    }

    #[test]
    fn symbols_are_not_promised_of_what_has_none() {
        assert!(has_symbols("libruby-3.1.so.3.1.2") && has_symbols("python3.11"));
        assert!(!has_symbols("libpypy3.9-c.so") && !has_symbols("graalpy"));
    }
}
