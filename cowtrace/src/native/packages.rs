//! Which package of a distribution a file is from, by dpkg's lists of files (`/var/lib/dpkg/info`): debug symbols
//! are in a package beside it. The lists may be a container's, so nothing in them is trusted.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    os::fd::OwnedFd,
};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::{
    file::{open_held, path_to_reopen},
    question::{Origins, is_package_name},
};

/// Where dpkg has a list for each package.
const LISTS: &str = "var/lib/dpkg/info";
const OS_RELEASE: &str = "etc/os-release";
/// Distributions that have them.
const WITH_DPKG: [&str; 2] = ["debian", "ubuntu"];
/// A large desktop has 5,000 packages.
const MAX_LISTS: usize = 16_384;
/// The largest list of Debian's archive has 5 MiB.
const MAX_LIST_BYTES: u64 = 16 << 20;
/// Of all lists; a large desktop has 60 MiB.
const MAX_BYTES: u64 = 256 << 20;
const MAX_OS_RELEASE_BYTES: u64 = 64 << 10;

/// Where files below a root are from.
pub(super) fn find_origins(root: &File, paths: &[String]) -> Origins {
    let text = read_in(root, OS_RELEASE, MAX_OS_RELEASE_BYTES);
    let distribution = text.ok().and_then(|text| distribution_in(&text));
    let packages = packages_of(root, paths);
    // Without dpkg's lists, as in images without a shell, a file may be from any package.
    let is_known = |id: &String| packages.is_ok() || !WITH_DPKG.contains(&id.as_str());
    Origins {
        distribution: distribution.filter(is_known),
        packages: packages.unwrap_or_else(|_| vec![None; paths.len()]),
    }
}

fn packages_of(root: &File, paths: &[String]) -> io::Result<Vec<Option<String>>> {
    let mut wanted: HashMap<Vec<u8>, usize> = HashMap::new();
    for (number, path) in paths.iter().enumerate() {
        wanted.extend(spellings(path).map(|path| (path.into_bytes(), number)));
    }
    let mut found = vec![None; paths.len()];
    let folder = File::from(open_in(root, LISTS, OFlag::O_PATH | OFlag::O_DIRECTORY)?);
    let mut left = MAX_BYTES;
    for entry in fs::read_dir(path_to_reopen(&folder))?.take(MAX_LISTS) {
        let file_name = entry?.file_name();
        let Some(file_name) = file_name.to_str() else {
            continue;
        };
        let Some(package) = package_of_list(file_name) else {
            continue;
        };
        let Ok(list) = read_in(&folder, file_name, MAX_LIST_BYTES) else {
            continue;
        };
        for line in list.split(|byte| *byte == b'\n') {
            if let Some(place) = wanted.get(line).and_then(|&number| found.get_mut(number)) {
                *place = Some(package.to_owned());
            }
        }
        left = left.saturating_sub(list.len() as u64);
        if left == 0 || !found.contains(&None) {
            break;
        }
    }
    Ok(found)
}

/// `libruby3.1:amd64.list`
fn package_of_list(file_name: &str) -> Option<&str> {
    let name = file_name.strip_suffix(".list")?;
    let name = name.split(':').next().unwrap_or(name);
    is_package_name(name).then_some(name)
}

/// The ways in which a list may have a path: `/lib` is a link to `/usr/lib` today, but packages were not all built
/// for it.
fn spellings(path: &str) -> impl Iterator<Item = String> {
    let other = match path.strip_prefix("/usr/") {
        Some(rest) => format!("/{rest}"),
        None => format!("/usr{path}"),
    };
    [path.to_owned(), other].into_iter()
}

/// The value of `ID`.
fn distribution_in(os_release: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(os_release).ok()?;
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?;
    let id = id.trim().trim_matches(['"', '\'']);
    is_package_name(id).then(|| id.to_owned())
}

/// A regular file below a folder, of this size at most.
fn read_in(folder: &File, name: &str, most_bytes: u64) -> io::Result<Vec<u8>> {
    let held = File::from(open_in(folder, name, OFlag::O_PATH)?);
    let metadata = held.metadata()?;
    if !metadata.is_file() || metadata.len() > most_bytes {
        return Err(io::Error::other("not a file that is read"));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    open_held(&held)?.take(most_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Links lead to places below the folder only.
fn open_in(folder: &File, name: &str, flags: OFlag) -> io::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    Ok(openat2(
        folder,
        name,
        OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(resolve),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::{fs, os::unix::fs::symlink};

    const RUBY: &str = "/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2";

    fn origins(root: &Scratch, paths: &[&str]) -> Origins {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        find_origins(&File::open(root.folder()).unwrap(), &paths)
    }

    fn root() -> Scratch {
        let root = Scratch::new("packages");
        fs::create_dir_all(root.path(LISTS)).unwrap();
        fs::create_dir_all(root.path("etc")).unwrap();
        let list = |name: &str, text: String| {
            fs::write(root.path(&format!("{LISTS}/{name}")), text).unwrap();
        };
        list("libruby3.1:amd64.list", format!("/.\n/usr\n{RUBY}\n"));
        list(
            "libc6:amd64.list",
            "/lib/x86_64-linux-gnu/libc.so.6\n".into(),
        );
        list("Evil;rm.list", "/usr/bin/evil\n".into());
        list("libruby3.1.md5sums", "/usr/bin/other\n".into());
        root
    }

    #[test]
    fn a_file_is_from_the_package_that_lists_it() {
        let root = root();
        fs::write(root.path("etc/os-release"), "NAME=\"D\"\nID=debian\n").unwrap();
        let paths = [
            RUBY,
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib",
            "/usr/bin/evil",
            "/usr/bin/other",
        ];
        let found = origins(&root, &paths);
        assert_eq!(found.distribution.as_deref(), Some("debian"));
        let packages: Vec<Option<&str>> = found.packages.iter().map(Option::as_deref).collect();
        let expected = [Some("libruby3.1"), Some("libc6"), None, None, None];
        assert_eq!(packages, expected);
        assert_eq!(found.clone().checked(), found);
    }

    #[test]
    fn a_container_leads_neither_out_of_its_root_nor_to_what_is_no_file() {
        let root = root();
        symlink("/proc/self/environ", root.path("etc/os-release")).unwrap();
        let list = |name: &str| root.path(&format!("{LISTS}/{name}.list"));
        // Opening it would wait for a writer.
        mkfifo(&list("fifo"), Mode::S_IRWXU).unwrap();
        symlink("/etc/passwd", list("link")).unwrap();
        fs::create_dir(list("folder")).unwrap();
        let found = origins(&root, &["/usr/bin/none"]);
        assert_eq!(found.packages, [None]);
        assert_eq!(found.distribution, None);
        // Without dpkg.
        let empty = Scratch::new("no-packages");
        fs::create_dir(empty.path("etc")).unwrap();
        fs::write(empty.path("etc/os-release"), "ID=debian\n").unwrap();
        let found = origins(&empty, &[RUBY]);
        assert_eq!((found.packages, found.distribution), (vec![None], None));
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert!(
            ["libruby3.1", "g++-12", "opensuse-leap"]
                .into_iter()
                .all(is_package_name)
        );
        let long = "a".repeat(65);
        let refused = ["", "-a", "$(id)", "a b", "a\u{1b}", "A", &long];
        assert!(!refused.into_iter().any(is_package_name));
        assert_eq!(
            distribution_in(b"ID=\"fedora\"\n").as_deref(),
            Some("fedora")
        );
        assert_eq!(distribution_in(b"ID=`id`\n"), None);
        assert_eq!(distribution_in(b"\xff"), None);
    }
}
