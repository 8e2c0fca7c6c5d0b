//! Numbers and foreign strings as people read them.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub use crate::foreign::printable;

/// Bytes in the largest binary unit that leaves a number of three digits or so.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 99.95 && value.fract() != 0.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A time in ns as seconds, or minutes and seconds.
#[must_use]
pub fn seconds(ns: u64) -> String {
    let tenths = (ns + 50_000_000) / 100_000_000;
    let whole = tenths / 10;
    match whole {
        0..100 => format!("{whole}.{} s", tenths % 10),
        100..7_200 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

/// A fraction as percent; never rounded to 0 or 100 unless it is.
#[must_use]
pub(super) fn percent(fraction: f64) -> String {
    match fraction {
        0.0 => "0 %".into(),
        f if f < 0.005 => "<1 %".into(),
        f if (0.995..1.0).contains(&f) => ">99 %".into(),
        f => format!("{:.0} %", f * 100.0),
    }
}

/// A number with its thousands apart.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut spaced = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    spaced
}

/// `1 worker`, `2,000 processes`: a number of things, by the regular plural of the last word.
#[must_use]
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), noun_of(number, noun))
}

/// The noun that follows a number.
#[must_use]
pub(crate) fn noun_of(number: u64, noun: &str) -> String {
    let before_y = noun.strip_suffix('y');
    match before_y.filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if number == 1 => noun.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None if noun.ends_with('s') => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

/// Cut in the middle to at most `width` columns, so that the ends of a path stay.
#[must_use]
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let columns = |letters: &[char]| {
        letters
            .iter()
            .map(|letter| letter.width().unwrap_or(0))
            .sum::<usize>()
    };
    let letters: Vec<char> = text.chars().collect();
    if columns(&letters) <= width {
        return text.to_owned();
    }
    let (mut head, mut tail) = (0, letters.len());
    while head < tail {
        // The tail tells more: give it two columns for each one of the head.
        let (front, back) = (columns(&letters[..head]), columns(&letters[tail..]));
        let grows_head = front * 2 < back;
        let next = if grows_head {
            (head + 1, tail)
        } else {
            (head, tail - 1)
        };
        if columns(&letters[..next.0]) + columns(&letters[next.1..]) + 1 > width {
            break;
        }
        (head, tail) = next;
    }
    let ends = [&letters[..head], &['…'][..], &letters[tail..]].concat();
    ends.into_iter().collect()
}

/// Cut at its end to at most `width` columns, for names whose beginnings tell them apart.
#[must_use]
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut columns = 1;
    let fits = |letter: &char| {
        columns += letter.width().unwrap_or(0);
        columns <= width
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Lines of at most `width` columns, broken at spaces, and inside words that are longer.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (index, word) in text.split(' ').enumerate() {
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

/// How much of a word is no wider than `width` columns, and not nothing, bytes.
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
    fn one_thing_is_singular() {
        let told = ["worker", "process", "copy", "more entry"].map(|noun| plural(1, noun));
        assert_eq!(told, ["1 worker", "1 process", "1 copy", "1 more entry"]);
        let told = ["worker", "process", "copy", "key"].map(|noun| plural(2_000, noun));
        assert_eq!(
            told,
            [
                "2,000 workers",
                "2,000 processes",
                "2,000 copies",
                "2,000 keys"
            ]
        );
        assert_eq!(plural(0, "page"), "0 pages");
    }

    #[test]
    fn sizes_keep_about_three_digits() {
        let told: Vec<_> = [
            0,
            1023,
            1024,
            1536,
            102_400,
            1_048_575,
            1 << 20,
            5_368_709_120,
        ]
        .map(size)
        .into();
        assert_eq!(
            told,
            [
                "0 B", "1023 B", "1 KiB", "1.5 KiB", "100 KiB", "1.0 MiB", "1 MiB", "5 GiB"
            ]
        );
    }

    #[test]
    fn percents_never_round_to_nothing_or_all() {
        let told: Vec<_> = [0.0, 0.001, 0.5, 0.999, 1.0].map(percent).into();
        assert_eq!(told, ["0 %", "<1 %", "50 %", ">99 %", "100 %"]);
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let told: Vec<_> = [
            0,
            1_260_000_000,
            99_960_000_000,
            3_725_000_000_000,
            7_300_000_000_000,
        ]
        .map(seconds)
        .into();
        assert_eq!(
            told,
            ["0.0 s", "1.3 s", "1 min 40 s", "62 min 5 s", "2 h 1 min"]
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

    #[test]
    fn long_paths_keep_their_ends() {
        assert_eq!(
            shorten("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", 20),
            "/usr/l…on3.11.so.1.0"
        );
        assert_eq!(shorten("名前名前名前", 5), "名…前");
        assert_eq!(shorten("short", 20), "short");
        assert_eq!(
            cut("own memory: _queue.cpython-311", 20),
            "own memory: _queue.…"
        );
        assert_eq!(cut("名前名前名前", 6), "名前…");
        assert_eq!(cut("short", 5), "short");
    }
}
