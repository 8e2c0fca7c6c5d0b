//! Text from outside (names, paths, output of other programs), made harmless for quoting.

use std::{fmt::Write as _, path::Path};

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
    fn messages_keep_their_lines_and_what_was_made_harmless() {
        let quoted = printable("a\nb");
        let message = format!("cannot read {quoted}:\n  why\x1b[2J");
        assert_eq!(
            printable_message(&message),
            "cannot read a\\u{a}b:\n  why\\u{1b}[2J"
        );
    }
}
