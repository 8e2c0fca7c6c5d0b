//! Paths, file names, and names of mappings and cgroups.

use super::{placeholders::Placeholders, public};

/// Ends of file names that say only what kind of file it is.
const SUFFIXES: [&str; 17] = [
    ".cow", ".jar", ".js", ".mjs", ".php", ".pl", ".pm", ".psgi", ".py", ".pyc", ".pyx", ".rb",
    ".scope", ".service", ".slice", ".sock", ".txt",
];
const DELETED: &str = " (deleted)";

/// A path, component by component.
pub(super) fn redact_path(path: &str, names: &mut Placeholders) -> String {
    if let Some(path) = path.strip_suffix(DELETED) {
        return format!("{}{DELETED}", self::redact_path(path, names));
    }
    if let Some(inside) = inside_angle_brackets(path) {
        return redact_made_code(inside, names);
    }
    let parts: Vec<&str> = path.split('/').collect();
    let standard = standard_library(&parts).unwrap_or(parts.len());
    let last = parts.len() - 1;
    let parts = parts.iter().enumerate().map(|(at, part)| match part {
        _ if at >= standard => (*part).to_owned(),
        _ if at == last => redact_file(part, names),
        _ => redact_folder(part, names),
    });
    let parts: Vec<String> = parts.collect();
    parts.join("/")
}

/// Whether all that is in a file of Python code is public: it is of the standard library.
pub(super) fn is_standard_file(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match inside_angle_brackets(path) {
        Some(inside) => frozen_module(inside).is_some(),
        None => standard_library(&parts).is_some(),
    }
}

/// The first part of a path that is inside Python's standard library.
fn standard_library(parts: &[&str]) -> Option<usize> {
    let is_home =
        |pair: &[&str]| matches!(pair[0], "lib" | "lib64") && public::is_python_release(pair[1]);
    let first = parts.windows(2).position(is_home)? + 2;
    let module = parts.get(first)?;
    let module = module.strip_suffix(".py").unwrap_or(module);
    public::is_standard_module(module).then_some(first)
}

/// `<string>`.
fn inside_angle_brackets(file: &str) -> Option<&str> {
    file.strip_prefix('<')?.strip_suffix('>')
}

/// `frozen importlib._bootstrap`.
fn frozen_module(inside: &str) -> Option<&str> {
    let module = inside.strip_prefix("frozen ")?;
    let top = module.split('.').next()?;
    let is_plain = |it: u8| it.is_ascii_lowercase() || it == b'.' || it == b'_';
    (public::is_standard_module(top) && module.bytes().all(is_plain)).then_some(module)
}

fn redact_made_code(inside: &str, names: &mut Placeholders) -> String {
    if matches!(inside, "string" | "stdin") || frozen_module(inside).is_some() {
        format!("<{inside}>")
    } else {
        format!("<{}>", names.name(inside))
    }
}

fn redact_folder(name: &str, names: &mut Placeholders) -> String {
    if public::is_public_folder(name) {
        name.to_owned()
    } else {
        names.name(name)
    }
}

/// The name of a file, a program or a library.
pub(super) fn redact_file(name: &str, names: &mut Placeholders) -> String {
    if is_public_file(name) {
        return name.to_owned();
    }
    if let Some(name) = name.strip_prefix("memfd:") {
        return format!("memfd:{}", names.name(name));
    }
    let (stem, suffix) = split_suffix(name);
    format!("{}{suffix}", names.name(stem))
}

/// Whether a file, and so its functions, are the same everywhere.
pub(super) fn is_public_file(name: &str) -> bool {
    public::is_public_program(name)
        || public::is_public_mapping(name)
        || at_library_suffix(name).is_some_and(|at| public::is_public_library(&name[..at]))
}

/// A file's name without, and with nothing but, what says its kind.
fn split_suffix(name: &str) -> (&str, &str) {
    let of_kind = || {
        let suffix = SUFFIXES.iter().find(|suffix| name.ends_with(**suffix))?;
        Some(name.len() - suffix.len())
    };
    let of_library = || {
        let at = at_library_suffix(name)?;
        let tagged = name[..at].split_once('.');
        let tag = tagged.filter(|(_, tag)| public::is_python_tag(tag));
        Some(tag.map_or(at, |(stem, _)| stem.len()))
    };
    let at = of_library().or_else(of_kind).filter(|at| *at > 0);
    name.split_at(at.unwrap_or(name.len()))
}

/// Where `.so` or `.so.1.2` begins, at the end of a name.
fn at_library_suffix(name: &str) -> Option<usize> {
    let at = name.rfind(".so")?;
    let is_version = |it: u8| it.is_ascii_digit() || it == b'.';
    name[at + 3..].bytes().all(is_version).then_some(at)
}

/// The name of a mapping.
pub(super) fn redact_mapping(name: &str, names: &mut Placeholders) -> String {
    let inside = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match inside {
        Some(_) if public::is_public_mapping(name) => name.to_owned(),
        Some(inside) => {
            for before in ["bss of ", "anon:", "anon_shmem:"] {
                if let Some(file) = inside.strip_prefix(before) {
                    return format!("[{before}{}]", self::redact_file(file, names));
                }
            }
            format!("[{}]", names.name(inside))
        }
        None => redact_path(name, names),
    }
}

/// A cgroup: its place among the others stays visible.
pub(super) fn redact_cgroup(path: &str, names: &mut Placeholders) -> String {
    let parts = path.split('/').map(|part| {
        if public::is_public_cgroup(part) {
            part.to_owned()
        } else {
            redact_file(part, names)
        }
    });
    parts.collect::<Vec<_>>().join("/")
}
