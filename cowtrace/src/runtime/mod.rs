//! Language runtimes whose data is understood in a process's memory, one module each: what was
//! written, in which function of the language, and which variable holds it.
//!
//! [`cpython`] tells most, and by its own ways. Others are a [`Runtime`]: they tell what a write hit.

pub mod cpython;
mod perl;
mod php;
mod r;
mod ruby;
mod write;

use std::path::Path;

use crate::native::ProgramCode;
pub(crate) use write::{ProgramWrite, Runtime};

/// The runtime of a program with this code; none if it has none that is understood.
pub(crate) fn find(code: &ProgramCode, proc_root: &Path) -> Option<Box<dyn Runtime>> {
    let has = |files: &[&str]| {
        let mut mapped = code.mapped_files();
        mapped.any(|(mapping, _)| is_file_of(&mapping.name, files))
    };
    if has(&ruby::FILES) {
        return Some(Box::new(ruby::Ruby::new(proc_root)));
    }
    if has(&perl::FILES) {
        return Some(Box::new(perl::Perl));
    }
    if has(&php::FILES) {
        return Some(Box::<php::Php>::default());
    }
    has(&r::FILES).then(|| Box::new(r::R) as Box<dyn Runtime>)
}

/// Whether a path is that of a program or library with one of these names: a version or an ending may follow, as in
/// `libruby-3.1.so.3.1.2`, `/usr/bin/ruby3.1` and `ruby`.
fn is_file_of(path: &str, names: &[&str]) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_version =
        |rest: &str| !rest.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    let is_one = |name: &&str| file.strip_prefix(*name).is_some_and(is_version);
    path.starts_with('/') && names.iter().any(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_known_by_their_files() {
        for (path, names) in [
            (
                "/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2",
                &ruby::FILES[..],
            ),
            ("/opt/ruby/lib/libruby.so.3.4 (deleted)", &ruby::FILES),
            ("/usr/bin/ruby3.1", &ruby::FILES),
            ("/usr/local/bin/ruby", &ruby::FILES),
            ("/usr/bin/perl", &perl::FILES),
            ("/usr/lib/x86_64-linux-gnu/libperl.so.5.36.0", &perl::FILES),
            ("/usr/bin/php8.2", &php::FILES),
            ("/usr/sbin/php-fpm8.2", &php::FILES),
            ("/usr/lib/apache2/modules/libphp8.2.so", &php::FILES),
            ("/usr/lib/R/lib/libR.so", &r::FILES),
        ] {
            assert!(is_file_of(path, names), "{path}");
        }
        for (path, names) in [
            ("/usr/lib/libruby_helper.so", &ruby::FILES[..]),
            ("/usr/bin/rubyfmt", &ruby::FILES),
            ("ruby", &ruby::FILES),
            ("[heap]", &ruby::FILES),
            ("/usr/bin/jruby", &ruby::FILES),
            ("/usr/bin/perldoc", &perl::FILES),
            ("/usr/lib/libReact.so", &r::FILES),
        ] {
            assert!(!is_file_of(path, names), "{path}");
        }
    }
}
