//! Small text files of the kernel: bounded reads, and the numbers in their lines.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Room for most files, so that one call reads them, bytes.
const AT_FIRST: usize = 8 << 10;

/// The first bytes of a file, at most `most`.
pub(super) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(AT_FIRST);
    File::open(path)?.take(most).read_to_end(&mut text)?;
    Ok(text)
}

/// The number behind a name at the beginning of a line, the first such line; none if there is none, or
/// no number in it.
pub(super) fn number_after(text: &[u8], name: &str) -> Option<u64> {
    let rest = text
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.strip_prefix(name.as_bytes()))
        .find(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))?;
    let mut words = rest.split(u8::is_ascii_whitespace);
    number_of(words.find(|word| !word.is_empty())?)
}

/// The same of a line in kB, in bytes.
pub(super) fn bytes_after(text: &[u8], name: &str) -> Option<u64> {
    number_after(text, name).map(|kib| kib.saturating_mul(1024))
}

/// A decimal number and nothing else.
pub(super) fn number_of(word: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    if !word.first()?.is_ascii_digit() {
        return None;
    }
    str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_behind_its_whole_name() {
        let text = b"Slab:  7 kB\nanon_thp 9\nanon 3\nfile\t4\nswap\nbad -2\nlast 5";
        assert_eq!(bytes_after(text, "Slab:"), Some(7 << 10));
        assert_eq!(number_after(text, "anon"), Some(3));
        assert_eq!(number_after(text, "file"), Some(4));
        assert_eq!(number_after(text, "last"), Some(5));
        for none in ["swap", "bad", "las", "other", "Slab"] {
            assert_eq!(number_after(text, none), None, "{none}");
        }
        let huge = format!("Slab: {} kB", u64::MAX);
        assert_eq!(bytes_after(huge.as_bytes(), "Slab:"), Some(u64::MAX));
        assert_eq!(number_after(b"x 99999999999999999999", "x"), None);
    }

    #[test]
    fn no_more_than_the_bound_is_read() {
        let text = read_bounded(Path::new("/proc/self/status"), 10).unwrap();
        assert_eq!(text.len(), 10);
        assert_eq!(read_bounded(Path::new("/dev/zero"), 99).unwrap().len(), 99);
    }
}
