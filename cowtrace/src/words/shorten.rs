//! Text cut to a width: paths lose their middle, other names their end.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cut in the middle to at most `width` columns, so that both ends of a path stay.
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
        // The tail is more informative: it gets two columns for each one of the head.
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

/// Cut at the end to at most `width` columns, for names that differ at the beginning.
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

#[cfg(test)]
mod tests {
    use super::*;

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
