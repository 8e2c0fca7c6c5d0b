//! Text cut to a width: paths lose their middle, other names their end.

use unicode_width::UnicodeWidthStr as _;

/// Of the number of a character.
const MOST_DIGITS: usize = 6;

/// Cut in the middle to at most `width` columns, so that both ends of a path stay.
#[must_use]
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let parts = whole_parts(text);
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut head, mut tail) = (0, parts.len());
    while head < tail {
        // The tail is more informative: it gets two columns for each one of the head.
        let (front, back) = (columns(&parts[..head]), columns(&parts[tail..]));
        let grows_head = front * 2 < back;
        let next = if grows_head {
            (head + 1, tail)
        } else {
            (head, tail - 1)
        };
        if columns(&parts[..next.0]) + columns(&parts[next.1..]) + 1 > width {
            break;
        }
        (head, tail) = next;
    }
    [&parts[..head], &["…"][..], &parts[tail..]]
        .concat()
        .concat()
}

/// Cut at the end to at most `width` columns, for names that differ at the beginning.
#[must_use]
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 1;
    let fits = |part: &&str| {
        taken += part.width();
        taken <= width
    };
    let mut cut: String = whole_parts(text).into_iter().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Letters, and whole escapes: half of `\u{1b}` looks like a name.
fn whole_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut left = text;
    while let Some(letter) = left.chars().next() {
        let escape = left.strip_prefix("\\u{").and_then(|rest| rest.find('}'));
        let length = match escape {
            Some(end) if end <= MOST_DIGITS => "\\u{".len() + end + 1,
            _ => letter.len_utf8(),
        };
        let (part, rest) = left.split_at(length);
        parts.push(part);
        left = rest;
    }
    parts
}

fn columns(parts: &[&str]) -> usize {
    parts.iter().map(|part| part.width()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_kept_or_left_out_whole() {
        let name = "a\\u{1b}[31mred\\u{1b}[0m";
        assert_eq!(cut(name, 6), "a…");
        assert_eq!(cut(name, 8), "a\\u{1b}…");
        assert_eq!(shorten(name, 9), "a…[0m");
        assert_eq!(cut("\\u{no end at all", 6), "\\u{no…");
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
