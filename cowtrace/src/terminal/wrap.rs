//! Line breaking.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What belongs to the figure in front of it.
const UNITS: [&str; 10] = [
    "B", "KiB", "MiB", "GiB", "TiB", "PiB", "%", "s", "ms", "min",
];

/// Lines of at most `width` columns, broken at spaces, and inside words that are longer. A figure stays with its
/// unit.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (index, word) in words_of(text).into_iter().enumerate() {
        let before = if index == 0 { "" } else { " " };
        let mut word = word;
        match lines.last_mut() {
            Some(line) if line.is_empty() => {}
            Some(line) if line.width() + before.len() + word.width() <= width => {
                line.push_str(before);
            }
            _ => lines.push(String::new()),
        }
        while let Some(line) = lines.last_mut() {
            let (fits, rest) = word.split_at(fitting(word, width.saturating_sub(line.width())));
            line.push_str(fits);
            if rest.is_empty() {
                break;
            }
            word = rest;
            lines.push(String::new());
        }
    }
    lines
}

/// What lies between spaces; a figure with its unit is one word.
fn words_of(text: &str) -> Vec<&str> {
    let (mut words, mut start) = (Vec::new(), 0);
    for (space, _) in text.match_indices(' ') {
        let (before, after) = (&text[start..space], &text[space + 1..]);
        let next = after.split(' ').next().unwrap_or_default();
        let unit = next.trim_end_matches(|letter: char| ".,;:)".contains(letter));
        let unit = unit.strip_suffix("/s").unwrap_or(unit);
        let is_figure = before.ends_with(|letter: char| letter.is_ascii_digit());
        if !(is_figure && UNITS.contains(&unit)) {
            words.push(before);
            start = space + 1;
        }
    }
    words.push(&text[start..]);
    words
}

/// The longest part of a word that fits into `width` columns, but at least one character; bytes.
fn fitting(word: &str, width: usize) -> usize {
    let mut columns = 0;
    let is_wider = |(index, letter): &(usize, char)| {
        columns += letter.width().unwrap_or(0);
        *index > 0 && columns > width
    };
    let first = word.char_indices().find(is_wider);
    first.map_or(word.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stays_with_its_unit() {
        let text = "copied 29.5 MiB, now 3 KiB/s (96 %), of 12 pages";
        assert_eq!(
            wrap(text, 14),
            [
                "copied",
                "29.5 MiB, now",
                "3 KiB/s",
                "(96 %), of 12",
                "pages"
            ]
        );
        assert_eq!(
            wrap("5 s", 2),
            ["5 ", "s"],
            "no line is wider than the width"
        );
    }

    #[test]
    fn lines_break_at_spaces_and_inside_what_is_longer() {
        assert_eq!(wrap("a line of words", 7), ["a line", "of", "words"]);
        assert_eq!(wrap("in /usr/lib/python", 8), ["in", "/usr/lib", "/python"]);
        assert_eq!(wrap("名前名前", 5), ["名前", "名前"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("名", 1), ["名"]);
    }
}
