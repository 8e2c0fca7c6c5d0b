//! Text from outside (names, paths, output of other programs), made harmless for quoting.

use std::{ffi::OsStr, fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use unicode_width::UnicodeWidthChar as _;

/// Escapes a string from outside for a terminal: control characters, and characters that change the
/// direction or joining of text.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            let _ = write!(safe, "{}", letter.escape_unicode());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// Whether a terminal does anything with a character but show it.
#[must_use]
pub fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || letter.width().unwrap_or(0) == 0
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A path, for quoting in a message.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// One of our own messages, which keeps its line breaks. What it quotes was escaped where it was
/// quoted; anything forgotten there can at most begin a new line.
#[must_use]
pub fn printable_message(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// A word, quoted for a shell where that is needed, and escaped.
pub(crate) fn shell_quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", printable(&word.replace('\'', "'\\''")))
    }
}

/// A word for a command that is to be pasted into a shell: harmless, and exactly this word to bash, zsh, ksh.
pub(crate) fn shell_word(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) if !text.contains(is_harmful) => shell_quoted(text),
        _ => escaped_for_shell(word.as_bytes()),
    }
}

/// A word with every byte that is not plain ASCII as a number: `$'a\x1b'`.
fn escaped_for_shell(word: &[u8]) -> String {
    let mut quoted = String::from("$'");
    for &byte in word {
        match byte {
            b'\'' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\n\u{202e}c"),
            "a\\u{1b}[2Jb\\u{a}\\u{202e}c"
        );
        assert_eq!(printable("/srv/名前.so"), "/srv/名前.so");
        assert_eq!(printable_path(Path::new("/a\nb")), "/a\\u{a}b");
    }

    #[test]
    fn a_word_for_a_shell_is_itself_and_harmless() {
        for (word, quoted) in [
            (&b"plain-1.cow"[..], "plain-1.cow"),
            (b"", "''"),
            (b"a b", "'a b'"),
            (b"it's", r"'it'\''s'"),
            (b"$HOME;`x`", "'$HOME;`x`'"),
            (b"a\\\x1b'b", r"$'a\\\x1b\'b'"),
            ("\u{202e}ä".as_bytes(), r"$'\xe2\x80\xae\xc3\xa4'"),
            (b"\xff a", r"$'\xff a'"),
        ] {
            assert_eq!(shell_word(OsStr::from_bytes(word)), quoted);
            let echo = format!("printf %s {quoted}");
            let told = std::process::Command::new("bash")
                .args(["-c", &echo])
                .output();
            assert_eq!(told.unwrap().stdout, word, "{quoted}");
        }
    }

    #[test]
    fn messages_keep_their_lines_and_what_was_made_harmless() {
        let quoted = printable("a\nb");
        let message = format!("cannot read {quoted}:\n  why\x1b[2J");
        assert_eq!(
            printable_message(&message),
            "cannot read a\\u{a}b:\n  why\\u{1b}[2J"
        );
    }
}
