//! Files without symbols: which one hides who wrote, what its functions probably are, and how they get names.

use super::{
    advice_item::Advice,
    runtimes::has_symbols,
    writers::{is_pythons, pages, pages_by},
};
use crate::{
    run::{Run, StrippedFile, UnnamedFunction, Writer},
    words::{is_unnamed, part_in_words, percent, printable},
};

/// A stripped file is mentioned from this share of the copies on.
const STRIPPED_SHARE: f64 = 0.25;
/// A part of an interpreter with a smaller share is not.
const PART_SHARE: f64 = 0.1;
/// Distributions whose packages leave debug symbols in packages beside them.
const OF_DEBIAN: [&str; 2] = ["debian", "ubuntu"];
/// Others that serve debug symbols by build id.
const WITH_SERVER: [&str; 8] = [
    "arch",
    "centos",
    "fedora",
    "manjaro",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "sles",
    "void",
];

/// The file without names that made most copies, and how to get names for it. CPython's writes are
/// excluded: they are described by type and line.
pub(super) fn advice_on_symbols(run: &Run) -> Option<Advice> {
    let unnamed = || {
        let writers = run.who_wrote.writers.iter();
        let unnamed = writers.filter(|writer| !is_pythons(writer) && has_no_name(writer));
        unnamed.filter(|writer| writer.module.as_deref().is_none_or(has_symbols))
    };
    let by_module = pages_by(unnamed(), |it| it.module.clone().unwrap_or_default());
    let module = by_module.into_iter().next()?.0;
    let all = pages(&run.who_wrote.writers).max(1) as f64;
    let of_it = run.who_wrote.writers.iter();
    let of_it = of_it.filter(|it| has_no_name(it) && it.module.as_ref() == Some(&module));
    let of_it: Vec<&Writer> = of_it.collect();
    let share = pages(of_it.iter().copied()) as f64 / all;
    if share < STRIPPED_SHARE {
        return None;
    }
    let known = run.who_wrote.stripped(&module);
    let hint = hint(known);
    let name = printable(&module);
    let mut because = format!(
        "{name} is stripped: {} of the copies are by functions of it that have no name.",
        percent(share)
    );
    for sentence in [place_of_most(run, &of_it, all), Some(hint.how)]
        .into_iter()
        .flatten()
    {
        because.push(' ');
        because.push_str(&sentence);
    }
    Some(Advice {
        what: if hint.has_symbols {
            format!("debug symbols of {name}")
        } else {
            format!("a build of {name} that is not stripped")
        },
        because,
        helps: true,
        saves_at_most_bytes: None,
        would_change: "",
        command: None,
    })
}

fn has_no_name(writer: &Writer) -> bool {
    let names = writer.function.as_ref().zip(writer.module.as_ref());
    names.is_some_and(|(function, module)| is_unnamed(function, module))
}

/// What the function with most copies probably is, or else what it lies between.
fn place_of_most(run: &Run, writers: &[&Writer], all: f64) -> Option<String> {
    let function = |writer: &Writer| writer.function.clone().unwrap_or_default();
    let most = pages_by(writers.iter().copied(), function);
    let most = run.who_wrote.unnamed(&most.first()?.0)?;
    let (before, after) = neighbours(most)?;
    let Some(part) = most.part else {
        return Some(format!(
            "The one with most copies lies between {before} and {after}, which are other functions."
        ));
    };
    let is_of_part = |writer: &&&Writer| {
        let function = writer.function.as_ref();
        let unnamed = function.and_then(|it| run.who_wrote.unnamed(it));
        unnamed.is_some_and(|it| it.part == Some(part))
    };
    let of_part = writers.iter().filter(is_of_part).copied();
    let share = pages(of_part) as f64 / all;
    (share >= PART_SHARE).then(|| {
        format!(
            "{} of the copies are probably by {}: these functions lie between exported ones of that source \
             file, such as {before} and {after}.",
            percent(share),
            part_in_words(part),
        )
    })
}

/// The names around it, escaped; `None` if only one side has one.
fn neighbours(unnamed: &UnnamedFunction) -> Option<(String, String)> {
    let (before, after) = unnamed.before.as_ref().zip(unnamed.after.as_ref())?;
    Some((printable(&before.function), printable(&after.function)))
}

/// How functions get names.
struct Hint {
    /// Whether debug symbols may be had.
    has_symbols: bool,
    how: String,
}

fn hint(file: Option<&StrippedFile>) -> Hint {
    let with_symbols = |how: String| Hint {
        has_symbols: true,
        how,
    };
    let without = |why: &str| Hint {
        has_symbols: false,
        how: format!("{why}: only a build that is not stripped has their names."),
    };
    let Some(file) = file else {
        return with_symbols("They have one where its debug symbols are installed.".into());
    };
    // By the build id alone they are found.
    let Some((command, path)) = file.build_id.as_deref().and_then(fetching) else {
        return without("It has no build id by which debug symbols could be found");
    };
    let distribution = file.distribution.as_deref().unwrap_or_default();
    let is_debians = OF_DEBIAN.contains(&distribution);
    match &file.package {
        Some(package) if is_debians && !file.is_in_container => {
            let symbols = symbols_of(package);
            with_symbols(format!(
                "Its package is {package}: install {symbols} (from the archive of debug symbols of \
                 {distribution}), or run: {command}"
            ))
        }
        Some(package) if is_debians => with_symbols(format!(
            "It is from the package {package} of {distribution}, in a container. On this machine run: {command}"
        )),
        None if is_debians => without("It is from no package"),
        _ if WITH_SERVER.contains(&distribution) => with_symbols(format!(
            "If it is from a package of {distribution}, run: {command}"
        )),
        _ => with_symbols(format!(
            "They have one where its debug symbols lie as {path} and belong to root."
        )),
    }
}

/// The package with the debug symbols of a package. Those of Python and the C library have other names.
fn symbols_of(package: &str) -> String {
    let python = package.strip_prefix("lib").unwrap_or(package);
    let version = python.strip_prefix("python3.");
    let version = version.and_then(|rest| rest.split('-').next());
    match version {
        Some(minor) if minor.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("python3.{minor}-dbg")
        }
        _ if package == "libc6" => "libc6-dbg".into(),
        _ => format!("{package}-dbgsym"),
    }
}

/// A command that fetches the debug symbols with a build id, and where it puts them: cowtrace looks for them there.
fn fetching(build_id: &str) -> Option<(String, String)> {
    let (folder, name) = build_id.split_at_checked(2)?;
    let is_id = !name.is_empty() && build_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let path = format!("/usr/lib/debug/.build-id/{folder}/{name}.debug");
    let command =
        format!("sudo install -D -m 644 \"$(debuginfod-find debuginfo {build_id})\" {path}");
    is_id.then_some((command, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{ExportedNeighbour, RuntimePart, WriteKind, arbitrary};

    const MODULE: &str = "libruby-3.1.so.3.1.2";
    const ID: &str = "862794fba1ac9d77263f555b39818ec3baacbeb8";

    fn file() -> StrippedFile {
        StrippedFile {
            module: MODULE.into(),
            build_id: Some(ID.into()),
            package: Some("libruby3.1".into()),
            distribution: Some("debian".into()),
            is_in_container: false,
        }
    }

    fn run(part: Option<RuntimePart>, file: Option<StrippedFile>) -> Run {
        let beside = |function: &str| {
            Some(ExportedNeighbour {
                function: function.into(),
                functions_apart: 2,
            })
        };
        let mut run = arbitrary::empty();
        let unnamed = format!("{MODULE}+0xcfc50");
        let writer = |function: &str, copied_pages| Writer {
            kind: WriteKind::Other,
            type_name: None,
            function: Some(function.into()),
            module: Some(MODULE.into()),
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            store: None,
            copied_pages,
        };
        run.who_wrote.writers = vec![writer(&unnamed, 60), writer("rb_ary_push", 40)];
        run.who_wrote.unnamed_functions = vec![UnnamedFunction {
            function: unnamed,
            module: MODULE.into(),
            before: beside("rb_gc_enable"),
            after: beside("rb_gc_start"),
            part,
        }];
        run.who_wrote.stripped_files.extend(file);
        run
    }

    #[test]
    fn a_stripped_file_is_told_with_what_its_functions_probably_are() {
        let ruby = Some(RuntimePart::RubyCollector);
        let advice = advice_on_symbols(&run(ruby, Some(file()))).unwrap();
        assert_eq!(advice.what, "debug symbols of libruby-3.1.so.3.1.2");
        let because = "libruby-3.1.so.3.1.2 is stripped: 60 % of the copies are by functions of it that have no \
                       name. 60 % of the copies are probably by Ruby's garbage collector or allocator: these \
                       functions lie between exported ones of that source file, such as rb_gc_enable and \
                       rb_gc_start. Its package is libruby3.1: install libruby3.1-dbgsym (from the archive of \
                       debug symbols of debian), or run: sudo install -D -m 644 \"$(debuginfod-find debuginfo \
                       862794fba1ac9d77263f555b39818ec3baacbeb8)\" \
                       /usr/lib/debug/.build-id/86/2794fba1ac9d77263f555b39818ec3baacbeb8.debug";
        assert_eq!(advice.because, because);
        let advice = advice_on_symbols(&run(None, Some(file()))).unwrap();
        let between = "between rb_gc_enable and rb_gc_start, which are other functions.";
        assert!(advice.because.contains(between), "{}", advice.because);
    }

    #[test]
    fn nothing_is_promised_that_cannot_help() {
        let how = |change: &dyn Fn(&mut StrippedFile)| {
            let mut file = file();
            change(&mut file);
            let hint = hint(Some(&file));
            (hint.has_symbols, hint.how)
        };
        let (has_symbols, told) = how(&|file| file.build_id = None);
        assert!(
            !has_symbols && told.starts_with("It has no build id"),
            "{told}"
        );
        let (has_symbols, told) = how(&|file| file.package = None);
        assert!(
            !has_symbols && told.starts_with("It is from no package"),
            "{told}"
        );
        let (_, told) = how(&|file| file.is_in_container = true);
        assert!(
            told.contains("On this machine") && !told.contains("dbgsym"),
            "{told}"
        );
        let (_, told) = how(&|file| file.distribution = Some("fedora".into()));
        assert!(
            told.starts_with("If it is from a package of fedora"),
            "{told}"
        );
        let (_, told) = how(&|file| file.distribution = None);
        assert!(
            told.contains("/.build-id/86/") && !told.contains("run:"),
            "{told}"
        );
        let (_, told) = how(&|file| file.build_id = Some("$(id)".into()));
        assert!(!told.contains("$("), "{told}");
    }

    #[test]
    fn pythons_debug_symbols_have_a_package_of_their_own() {
        assert_eq!(symbols_of("libpython3.11"), "python3.11-dbg");
        assert_eq!(symbols_of("python3.11-minimal"), "python3.11-dbg");
        assert_eq!(symbols_of("python3-numpy"), "python3-numpy-dbgsym");
        assert_eq!(symbols_of("libc6"), "libc6-dbg");
        assert_eq!(symbols_of("libc6-i386"), "libc6-i386-dbgsym");
    }
}
