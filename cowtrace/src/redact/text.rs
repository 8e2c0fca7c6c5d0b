//! Names of code, variables and programs, and messages.

use super::{
    files,
    placeholders::{PlaceholderKind, Placeholders},
    public,
};

/// Phrases for variables without a name.
const PHRASES: [&str; 2] = ["a thread's own", "the interpreter's own"];
/// What stands between the words of a path to a variable.
const SYNTAX: &str = ".()[]{}<>,: …?";
/// Longer numbers may be keys that say something.
const MOST_DIGITS: usize = 3;

/// A path to a variable, a function or a type of Python: its syntax stays, its words go.
pub(super) fn redact_words(text: &str, names: &mut Placeholders) -> String {
    let phrase = PHRASES.iter().find(|phrase| text.starts_with(**phrase));
    let phrase = phrase.copied().unwrap_or_default();
    let mut written = phrase.to_owned();
    let mut rest = &text[phrase.len()..];
    while let Some(letter) = rest.chars().next() {
        let length = if SYNTAX.contains(letter) {
            written.push(letter);
            letter.len_utf8()
        } else if matches!(letter, '\'' | '"') {
            let inside = inside_quotes(rest, letter);
            written.extend([letter.into(), names.name(inside), letter.into()]);
            (inside.len() + 2).min(rest.len())
        } else {
            let is_end = |it: char| SYNTAX.contains(it) || matches!(it, '\'' | '"');
            let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
            written.push_str(&self::redact_word(word, names));
            word.len()
        };
        rest = &rest[length..];
    }
    written
}

/// What is in quotes at the beginning of a text; up to its end if they are not closed.
fn inside_quotes(text: &str, quote: char) -> &str {
    let inside = &text[1..];
    &inside[..inside.find(quote).unwrap_or(inside.len())]
}

fn redact_word(word: &str, names: &mut Placeholders) -> String {
    let is_index = word.len() <= MOST_DIGITS && word.bytes().all(|it| it.is_ascii_digit());
    if is_index || public::is_public_word(word) {
        word.to_owned()
    } else {
        names.name(word)
    }
}

/// The name of a process.
pub(super) fn redact_program(name: &str, names: &mut Placeholders) -> String {
    files::redact_file(name, names)
}

/// A command line: a program that many have stays.
pub(super) fn redact_command_line(line: &str, names: &mut Placeholders) -> String {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !public::is_public_program(first.trim_end_matches(':')) {
        return names.instead_of(line, PlaceholderKind::Command);
    }
    if rest.is_empty() {
        return first.to_owned();
    }
    format!(
        "{first} {}",
        names.instead_of(rest, PlaceholderKind::Command)
    )
}

/// A function of native code. `module` is the file that it is in, not yet replaced.
pub(super) fn redact_native_function(
    function: &str,
    module: Option<&str>,
    names: &mut Placeholders,
) -> String {
    let Some(module) = module else {
        return names.name(function);
    };
    if files::is_public_file(module) {
        return function.to_owned();
    }
    match place_in_file(function, module) {
        Some(place) => format!("{}{place}", files::redact_file(module, names)),
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
pub(super) fn redact_target(what: &str, names: &mut Placeholders) -> String {
    let (kind, which) = what.split_once(' ').unwrap_or((what, ""));
    match kind {
        "pid" if is_process_id(which) => what.to_owned(),
        "unit" | "container" | "match" => format!("{kind} {}", files::redact_file(which, names)),
        "cgroup" => format!("{kind} {}", files::redact_cgroup(which, names)),
        "command" => format!("{kind} {}", redact_command_line(which, names)),
        _ => names.name(what),
    }
}

/// The name of a target: one made of a process id stays.
pub(super) fn redact_target_name(name: &str, names: &mut Placeholders) -> String {
    if is_process_id(name) {
        name.to_owned()
    } else {
        files::redact_file(name, names)
    }
}

/// A process id has ten digits at most.
fn is_process_id(text: &str) -> bool {
    matches!(text.len(), 1..=10) && text.bytes().all(|it| it.is_ascii_digit())
}

/// A message of cowtrace's own: those that are the same everywhere stay.
pub(super) fn redact_message(text: &str, names: &mut Placeholders) -> String {
    if public::is_public_message(text) {
        text.to_owned()
    } else {
        names.instead_of(text, PlaceholderKind::Message)
    }
}

/// The name of a backend.
pub(super) fn redact_backend(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_known_backend(name), name, names)
}

/// An architecture.
pub(super) fn redact_architecture(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_known_architecture(name), name, names)
}

/// A distribution.
pub(super) fn redact_distribution(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_known_distribution(name), name, names)
}

/// The part of a version before its distributor's name: `6.12.9` of `6.12.9-acme-amd64`.
pub(super) fn redact_version(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| it.is_ascii_digit() || it == '.';
    match text.find(|it| !is_part(it)) {
        Some(0) => names.name(text),
        end => text[..end.unwrap_or(text.len())].to_owned(),
    }
}

/// The id of a run, which is random.
pub(super) fn redact_id(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| it.is_ascii_hexdigit() || it == '-';
    kept_if(text.len() <= 36 && text.chars().all(is_part), text, names)
}

/// A build id, or a part of one.
pub(super) fn redact_build_id(text: &str, names: &mut Placeholders) -> String {
    let is_hexadecimal = text.chars().all(|it| it.is_ascii_hexdigit());
    kept_if(text.len() <= 64 && is_hexadecimal, text, names)
}

/// The Debian package of a public file: `libc6`, `python3.11-minimal`.
pub(super) fn redact_package(name: &str, names: &mut Placeholders) -> String {
    kept_if(public::is_public_package(name), name, names)
}

/// When it was.
pub(super) fn redact_date(text: &str, names: &mut Placeholders) -> String {
    let is_part = |it: char| it.is_ascii_digit() || "-:.TZ+".contains(it);
    kept_if(text.chars().all(is_part), text, names)
}

/// Permissions of a mapping.
pub(super) fn redact_permissions(text: &str, names: &mut Placeholders) -> String {
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
