//! Names of generated code from perf maps, the files in which processes describe it: lines of
//! start, size and name, with hexadecimal numbers without prefix
//! (tools/perf/Documentation/jit-interface.txt in Linux).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
};

use nix::libc;

use super::{
    file,
    question::{HeldPerfMap, Problem},
};

/// Of a larger file only the end is read, which is the newest part: bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Mode bit: readable by all.
const FOR_ALL: u32 = 0o004;

impl Problem {
    fn of_system(error: &io::Error) -> Self {
        Self::System(error.raw_os_error().unwrap_or_default())
    }

    /// The problem of a file that could not be held.
    pub(super) fn of_holding(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ELOOP) => Self::Link,
            _ => Self::of_system(error),
        }
    }

    /// In words; `owner` is the user that the process runs as.
    pub(super) fn in_words(self, owner: u32) -> String {
        let why = match self {
            Self::Link => "it is a symbolic link, or its folder is".into(),
            Self::NotRegular => "it is not a regular file".into(),
            Self::Owner(user) => {
                format!("it belongs to user {user}, but the process runs as user {owner}")
            }
            Self::Closed => "it belongs to root, and not everybody may read it".into(),
            Self::System(number) => {
                let error = nix::errno::Errno::from_raw(number);
                format!("the system does not open it ({})", error.desc())
            }
            Self::NoCode => "no line of it names code (START SIZE NAME)".into(),
            Self::EndOnly => {
                let most = MAX_BYTES >> 20;
                return format!("was used in part: only its last {most} MiB are read");
            }
            Self::Stalled => "reading it failed or took too long".into(),
        };
        format!("was not used: {why}")
    }
}

/// Opens a perf map that may be trusted and quoted: it belongs to the process's user, or to root
/// and anybody may read it. In a mount namespace of their own, users can put any file there.
pub(super) fn open_perf_map(holder: u32, map: &HeldPerfMap) -> Result<File, Problem> {
    let held =
        file::hold_bytes(holder, map.descriptor).map_err(|error| Problem::of_system(&error))?;
    check_owner(&held, map.owner)?;
    file::open_held(&held).map_err(|error| Problem::of_system(&error))
}

fn check_owner(held: &File, owner: u32) -> Result<(), Problem> {
    let it = held
        .metadata()
        .map_err(|error| Problem::of_system(&error))?;
    match it.uid() {
        _ if !it.is_file() => Err(Problem::NotRegular),
        user if user == owner => Ok(()),
        0 if it.mode() & FOR_ALL != 0 => Ok(()),
        0 => Err(Problem::Closed),
        user => Err(Problem::Owner(user)),
    }
}

/// The content of a perf map.
pub(super) struct Said {
    /// Names for the addresses, in their order; the last line that has an address counts.
    pub(super) names: Vec<Option<String>>,
    /// Why some may be missing.
    pub(super) problem: Option<Problem>,
}

/// Looks up addresses in a perf map.
pub(super) fn read_perf_map(file: &File, addresses: &[u64]) -> Result<Said, Problem> {
    read_end(file, addresses, MAX_BYTES).map_err(|error| Problem::of_system(&error))
}

fn read_end(mut file: &File, addresses: &[u64], most: u64) -> io::Result<Said> {
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(most)))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    let mut lines = text.rsplit(|&byte| byte == b'\n');
    let problem = if lines.any(|line| parse_function(line).is_some()) {
        (bytes > most).then_some(Problem::EndOnly)
    } else {
        Some(Problem::NoCode)
    };
    Ok(Said {
        names: names_in(&text, addresses),
        problem,
    })
}

pub(super) fn names_in(text: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
    let mut unnamed: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, &address) in addresses.iter().enumerate() {
        unnamed.entry(address).or_default().push(place);
    }
    let mut names = vec![None; addresses.len()];
    // From the end: the last line that claims an address names it.
    for line in text.rsplit(|&byte| byte == b'\n') {
        let Some((start, end, name)) = parse_function(line) else {
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
pub(super) fn parse_function(line: &[u8]) -> Option<(u64, u64, &[u8])> {
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
            assert!(parse_function(line).is_none(), "{line:?}");
        }
        assert!(parse_function(b"1000 10 \xff").is_some());
    }

    #[test]
    fn another_users_file_is_not_believed() {
        let scratch = crate::scratch::Scratch::new("perf-map");
        let path = scratch.path("perf-1.map");
        let file = File::create(&path).unwrap();
        let owner = file.metadata().unwrap().uid();
        let other = check_owner(&file, owner + 1);
        let for_all = file.metadata().unwrap().mode() & FOR_ALL != 0;
        assert_eq!(check_owner(&file, owner), Ok(()));
        match owner {
            0 if for_all => assert_eq!(other, Ok(())),
            0 => assert_eq!(other, Err(Problem::Closed)),
            _ => assert_eq!(other, Err(Problem::Owner(owner))),
        }
        if owner == 0 {
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            assert_eq!(check_owner(&file, 1), Err(Problem::Closed));
            std::os::unix::fs::chown(&path, Some(7), None).unwrap();
            assert_eq!(check_owner(&file, 0), Err(Problem::Owner(7)));
        }
        let folder = File::open("/").unwrap();
        assert_eq!(check_owner(&folder, 0), Err(Problem::NotRegular));
        // A descriptor that nobody holds.
        let gone = HeldPerfMap {
            pid: 1,
            descriptor: -1,
            owner,
        };
        let error = open_perf_map(std::process::id(), &gone).unwrap_err();
        assert_eq!(error, Problem::System(libc::ENOENT));
    }

    #[test]
    fn what_a_file_does_not_say_is_told() {
        let scratch = crate::scratch::Scratch::new("said");
        let path = scratch.path("perf-1.map");
        let said = |text: &str, most: u64| {
            std::fs::write(&path, text).unwrap();
            let said = read_end(&File::open(&path).unwrap(), &[0x1000, 0x2000], most).unwrap();
            (said.names.iter().flatten().count(), said.problem)
        };
        let text = "1000 10 f\n2000 10 g\n";
        assert_eq!(said(text, 64), (2, None));
        assert_eq!(said(text, 12), (1, Some(Problem::EndOnly)));
        assert_eq!(said("", 64), (0, Some(Problem::NoCode)));
        assert_eq!(said("no map\n", 64), (0, Some(Problem::NoCode)));
        // It describes code, but not this address: that is not a problem.
        assert_eq!(said("3000 10 f\n", 64), (0, None));
    }

    #[test]
    fn every_problem_has_its_words() {
        let words = |problem: Problem| problem.in_words(33);
        assert_eq!(
            words(Problem::Owner(1000)),
            "was not used: it belongs to user 1000, but the process runs as user 33"
        );
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!(
            words(Problem::of_holding(&denied)),
            "was not used: the system does not open it (Permission denied)"
        );
        let link = io::Error::from_raw_os_error(libc::ELOOP);
        assert!(words(Problem::of_holding(&link)).contains("a symbolic link"));
        assert_eq!(
            words(Problem::EndOnly),
            "was used in part: only its last 64 MiB are read"
        );
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
