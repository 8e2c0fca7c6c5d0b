//! Names of code, variables and programs, and messages.

use super::{
    files,
    placeholders::{Kind, Placeholders},
    public,
};

/// Phrases for variables without a name.
const PHRASES: [&str; 2] = ["a thread's own", "the interpreter's own"];
/// What stands between the words of a path to a variable.
const SYNTAX: &str = ".()[]{}<>,: …?";
/// Longer numbers may be keys that say something.
const MOST_DIGITS: usize = 3;

/// A path to a variable, a function or a type of Python: its syntax stays, its words go.
pub(super) fn words(text: &str, names: &mut Placeholders) -> String {
    let phrase = PHRASES.iter().find(|phrase| text.starts_with(**phrase));
    let phrase = phrase.copied().unwrap_or_default();
    let mut written = phrase.to_owned();
    let mut rest = &text[phrase.len()..];
    while let Some(letter) = rest.chars().next() {
        let length = if SYNTAX.contains(letter) {
            written.push(letter);
            letter.len_utf8()
        } else if matches!(letter, '\'' | '"') {
            let inside = quoted(rest, letter);
            written.extend([letter.into(), names.name(inside), letter.into()]);
            (inside.len() + 2).min(rest.len())
        } else {
            let is_end = |it: char| SYNTAX.contains(it) || matches!(it, '\'' | '"');
            let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
            written.push_str(&self::word(word, names));
            word.len()
        };
        rest = &rest[length..];
    }
    written
}

/// What is in quotes at the beginning of a text; up to its end if they are not closed.
fn quoted(text: &str, quote: char) -> &str {
    let inside = &text[1..];
    &inside[..inside.find(quote).unwrap_or(inside.len())]
}

fn word(word: &str, names: &mut Placeholders) -> String {
    let is_index = word.len() <= MOST_DIGITS && word.bytes().all(|it| it.is_ascii_digit());
    if is_index || public::is_word(word) {
        word.to_owned()
    } else {
        names.name(word)
    }
}

/// The name of a process.
pub(super) fn program(name: &str, names: &mut Placeholders) -> String {
    files::file(name, names)
}

/// A command line: a program that many have stays.
pub(super) fn command_line(line: &str, names: &mut Placeholders) -> String {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !public::is_program(first.trim_end_matches(':')) {
        return names.instead_of(line, Kind::Command);
    }
    if rest.is_empty() {
        return first.to_owned();
    }
    format!("{first} {}", names.instead_of(rest, Kind::Command))
}

/// A function of native code. `module` is the file that it is in, not yet replaced.
pub(super) fn native_function(
    function: &str,
    module: Option<&str>,
    names: &mut Placeholders,
) -> String {
    let Some(module) = module else {
        return names.name(function);
    };
    if files::is_public(module) {
        return function.to_owned();
    }
    match place_in_file(function, module) {
        Some(place) => format!("{}{place}", files::file(module, names)),
        None => names.name(function),
    }
}

/// `+0x10`, for a function that has no name, only a place in its file.
fn place_in_file<'a>(function: &'a str, module: &str) -> Option<&'a str> {
    let place = function.strip_prefix(module)?;
    let digits = place.strip_prefix("+0x")?;
    // Older recordings have ` near NAME` after it.
    let end = digits.find(|it: char| !it.is_ascii_hexdigit());
    let end = end.unwrap_or(digits.len());
    (end > 0).then_some(&place[..end + 3])
}

/// What the user gave to trace: `unit web.service`.
pub(super) fn target(what: &str, names: &mut Placeholders) -> String {
    let (kind, which) = what.split_once(' ').unwrap_or((what, ""));
    match kind {
        "pid" if is_number(which) => what.to_owned(),
        "unit" | "container" | "match" => format!("{kind} {}", files::file(which, names)),
        "cgroup" => format!("{kind} {}", files::cgroup(which, names)),
        "command" => format!("{kind} {}", command_line(which, names)),
        _ => names.name(what),
    }
}

/// The name of a target: one made of a process id stays.
pub(super) fn target_name(name: &str, names: &mut Placeholders) -> String {
    if is_number(name) {
        name.to_owned()
    } else {
        files::file(name, names)
    }
}

/// A process id has ten digits at most.
fn is_number(text: &str) -> bool {
    matches!(text.len(), 1..=10) && text.bytes().all(|it| it.is_ascii_digit())
}

/// A message of cowtrace's own: those that are the same everywhere stay.
pub(super) fn message(text: &str, names: &mut Placeholders) -> String {
    if public::is_message(text) {
        text.to_owned()
    } else {
        names.instead_of(text, Kind::Message)
    }
}

/// The name of a backend.
pub(super) fn backend(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_backend(name), name, names)
}

/// An architecture.
pub(super) fn architecture(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_architecture(name), name, names)
}

/// A distribution.
pub(super) fn distribution(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_distribution(name), name, names)
}

/// The part of a version before its distributor's name: `6.12.9` of `6.12.9-acme-amd64`.
pub(super) fn version(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| it.is_ascii_digit() || it == '.';
    match text.find(|it| !is_part(it)) {
        Some(0) => names.name(text),
        end => text[..end.unwrap_or(text.len())].to_owned(),
    }
}

/// The id of a run, which is random.
pub(super) fn id(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| it.is_ascii_hexdigit() || it == '-';
    kept_if(text.len() <= 36 && text.chars().all(is_part), text, names)
}

/// A build id, or a part of one.
pub(super) fn build_id(text: &str, names: &mut Placeholders) -> String {
    let is_hexadecimal = text.chars().all(|it| it.is_ascii_hexdigit());
    kept_if(text.len() <= 64 && is_hexadecimal, text, names)
}

/// The Debian package of a public file: `libc6`, `python3.11-minimal`.
pub(super) fn package(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_package(name), name, names)
}

/// When it was.
pub(super) fn date(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| it.is_ascii_digit() || "-:.TZ+".contains(it);
    kept_if(text.chars().all(is_part), text, names)
}

/// Permissions of a mapping.
pub(super) fn permissions(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| "rwxsp-".contains(it);
    kept_if(text.len() <= 4 && text.chars().all(is_part), text, names)
}

fn kept_if(is_public: bool, text: &str, names: &mut Placeholders) -> String {
    if is_public {
        text.to_owned()
    } else {
        names.name(text)
    }
}
