//! Code that a process made itself, by what it says of it in a perf map: lines of start, size and
//! name, numbers in hex without a prefix (tools/perf/Documentation/jit-interface.txt in Linux).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
};

/// Of a larger file the end is read, which is the newest: bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Readable by all.
const FOR_ALL: u32 = 0o004;

/// Whether a file may be believed and told of: it is the process's user's own, or root's that anybody
/// may read. A user can put any file there, in a mount namespace of the user's own.
pub(super) fn is_trusted(file: &File, owner: u32) -> bool {
    file.metadata().is_ok_and(|it| {
        let is_for_all = it.uid() == 0 && it.mode() & FOR_ALL != 0;
        it.is_file() && (it.uid() == owner || is_for_all)
    })
}

/// The names that a file gives to addresses, in their order; the last one counts.
pub(super) fn names(mut file: &File, addresses: &[u64]) -> io::Result<Vec<Option<String>>> {
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(MAX_BYTES)))?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(names_in(&text, addresses))
}

pub(super) fn names_in(text: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
    let mut unnamed: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, &address) in addresses.iter().enumerate() {
        unnamed.entry(address).or_default().push(place);
    }
    let mut names = vec![None; addresses.len()];
    // From the end: each address is named once, however many lines claim it.
    for line in text.rsplit(|&byte| byte == b'\n') {
        let Some((start, end, name)) = function(line) else {
            continue;
        };
        while let Some((&address, _)) = unnamed.range(start..end).next() {
            for place in unnamed.remove(&address).unwrap_or_default() {
                names[place] = Some(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    names
}

/// Start, end and name of a function.
pub(super) fn function(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let mut fields = line.splitn(3, |&byte| byte == b' ');
    let mut number = || {
        let digits = std::str::from_utf8(fields.next()?).ok()?;
        u64::from_str_radix(digits, 16).ok()
    };
    let (start, size) = (number()?, number()?);
    let name = fields.next()?.trim_ascii();
    let end = start.checked_add(size)?;
    (start < end && !name.is_empty()).then_some((start, end, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_line_that_has_an_address_names_it() {
        let text =
            b"1000 20 LazyCompile:old /app.js:1\n2000 10 stub\n1000 10 *new app.js:7\nbroken\n";
        let told = names_in(text, &[0x1000, 0x100f, 0x1010, 0x2000, 0x2010]);
        let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
        let (old, new) = ("LazyCompile:old /app.js:1", "*new app.js:7");
        assert_eq!(told, [Some(new), Some(new), Some(old), Some("stub"), None]);
    }

    #[test]
    fn what_is_no_function_names_nothing() {
        for line in [
            &b""[..],
            b"1000",
            b"1000 10",
            b"1000 10 ",
            b"1000 0 f",
            b"-1 10 f",
            b"ffffffffffffffff 10 f",
            b"0x1000 10 f",
            b"\xff\xfe 10 f",
        ] {
            assert!(function(line).is_none(), "{line:?}");
        }
        assert!(function(b"1000 10 \xff").is_some());
    }

    #[test]
    fn another_users_file_is_not_believed() {
        let file = File::open("/proc/self/exe").unwrap();
        let owner = file.metadata().unwrap().uid();
        assert!(is_trusted(&file, owner));
        assert_eq!(is_trusted(&file, owner + 1), owner == 0);
        assert!(!is_trusted(&File::open("/").unwrap(), 0));
    }

    proptest! {
        #[test]
        fn garbage_is_no_crash(
            text in proptest::collection::vec(any::<u8>(), 0..256),
            addresses in proptest::collection::vec(any::<u64>(), 0..8),
        ) {
            prop_assert_eq!(names_in(&text, &addresses).len(), addresses.len());
        }
    }
}
