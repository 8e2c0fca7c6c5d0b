//! Who on the machine has how much anonymous memory: statm of every process (proc(5)).

use std::{collections::HashMap, fs, io, path::Path};

use super::{
    fields::read_bounded,
    held::statm_pages,
    process::{started_ticks_of, stat_name, stat_of},
};
use crate::run::{Consumer, GrownProcess};

/// Most processes that are read; `pid_max` where nobody raised it.
pub const MAX_CONSUMERS: usize = 32_768;
/// stat and statm are a line each.
const LINE: u64 = 4 << 10;

/// The processes of the machine that have anonymous memory, at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumers {
    /// In no order.
    pub processes: Vec<Consumer>,
    /// Pids of the parents of those that still have the memory that they were forked with, by pid.
    pub parents: HashMap<u32, u32>,
    /// Whether there are more than [`MAX_CONSUMERS`]: the others are missing.
    pub is_partial: bool,
}

/// Reads all processes that this one may see: 12 us each.
pub fn read_consumers(root: &Path) -> io::Result<Consumers> {
    read_some_consumers(root, MAX_CONSUMERS)
}

fn read_some_consumers(root: &Path, most: usize) -> io::Result<Consumers> {
    let mut found = Consumers::default();
    let mut seen = 0;
    for entry in fs::read_dir(root)? {
        let Some(pid) = entry?.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        if seen == most {
            found.is_partial = true;
            break;
        }
        seen += 1;
        // One that ended meanwhile, or has no memory as the kernel's threads, is left out.
        if let Some((consumer, parent)) = read_consumer(root, pid) {
            found.processes.push(consumer);
            found.parents.extend(parent.map(|parent| (pid, parent)));
        }
    }
    Ok(found)
}

/// A process, and the parent that it may share memory with.
fn read_consumer(root: &Path, pid: u32) -> Option<(Consumer, Option<u32>)> {
    let folder = root.join(pid.to_string());
    let statm = read_bounded(&folder.join("statm"), LINE).ok()?;
    let (_, anonymous_pages) = statm_pages(&statm)?;
    if anonymous_pages == 0 {
        return None;
    }
    let stat = read_bounded(&folder.join("stat"), LINE).ok()?;
    let consumer = Consumer {
        pid,
        started_ticks: started_ticks_of(&stat)?,
        name: stat_name(&stat)?,
        anonymous_pages,
    };
    let stat = stat_of(&stat).ok()?;
    Some((consumer, stat.is_forked().then_some(stat.parent)))
}

/// The processes that grew most between two readings, largest first, at most `most`, but for those that
/// are `excluded`. A new one that was forked and has started no program may share with its parent all that this has:
/// only what is beyond that counts.
#[must_use]
pub fn largest_growers(
    before: &Consumers,
    after: &Consumers,
    excluded: impl Fn(u32) -> bool,
    most: usize,
) -> Vec<GrownProcess> {
    let key = |it: &Consumer| (it.pid, it.started_ticks);
    let earlier: HashMap<(u32, u64), u64> = before
        .processes
        .iter()
        .map(|it| (key(it), it.anonymous_pages))
        .collect();
    let now: HashMap<u32, u64> = after
        .processes
        .iter()
        .map(|it| (it.pid, it.anonymous_pages))
        .collect();
    let of_parent = |pid: u32| {
        let parent = after.parents.get(&pid);
        parent
            .and_then(|parent| now.get(parent))
            .copied()
            .unwrap_or(0)
    };
    let mut growers: Vec<(u64, bool, &Consumer)> = after
        .processes
        .iter()
        .filter(|it| !excluded(it.pid))
        .filter_map(|it| {
            let had = earlier.get(&key(it));
            // Of a partial reading nobody knows who is new.
            let shared = || (!before.is_partial).then(|| of_parent(it.pid));
            let had = had.copied().or_else(shared)?;
            let grown = it.anonymous_pages.checked_sub(had)?;
            (grown > 0).then(|| (grown, !earlier.contains_key(&key(it)), it))
        })
        .collect();
    growers.sort_by_key(|(grown, _, it)| (std::cmp::Reverse(*grown), it.pid));
    growers.truncate(most);
    let grower = |(grown_pages, is_new, it): (u64, bool, &Consumer)| GrownProcess {
        consumer: it.clone(),
        grown_pages,
        is_new,
    };
    growers.into_iter().map(grower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A /proc of processes given as (pid, start, name, anonymous pages).
    fn put_processes(root: &Path, processes: &[(u32, u64, &[u8], u64)]) {
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root.join("sys")).unwrap();
        for (pid, ticks, name, pages) in processes {
            let folder = root.join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let rest = format!(") S 1 1 1 0 -1 0{} {ticks} 0 0\n", " 7".repeat(12));
            let stat = [format!("{pid} (").as_bytes(), name, rest.as_bytes()].concat();
            fs::write(folder.join("stat"), stat).unwrap();
            let statm = format!("{} {} 7 1 0 9 0\n", pages + 100, pages + 7);
            fs::write(folder.join("statm"), statm).unwrap();
        }
    }

    #[test]
    fn those_that_grew_most_come_first() {
        let root = std::env::temp_dir().join(format!("cowtrace-consumers-{}", std::process::id()));
        let before = [
            (5, 10, &b"grows"[..], 100),
            (6, 10, b"stays", 900),
            (7, 10, b"shrinks", 500),
            (8, 10, b"replaced", 5000),
            (9, 10, b"ours", 0),
            (2, 10, b"kthreadd", 0),
        ];
        put_processes(&root, &before);
        let earlier = read_consumers(&root).unwrap();
        assert_eq!(earlier.processes.len(), 4);
        let now = [
            (5, 10, &b"grows"[..], 400),
            (6, 10, b"stays", 900),
            (7, 10, b"shrinks", 100),
            (8, 99, b") R 1 (\xff", 5100),
            (9, 10, b"ours", 9000),
            (10, 99, b"new", 50),
        ];
        put_processes(&root, &now);
        let later = read_consumers(&root).unwrap();
        let growers = largest_growers(&earlier, &later, |pid| pid == 9, 9);
        let told: Vec<_> = growers
            .iter()
            .map(|it| (it.consumer.pid, it.grown_pages, it.is_new))
            .collect();
        assert_eq!(told, [(8, 5100, true), (5, 300, false), (10, 50, true)]);
        assert_eq!(growers[0].consumer.name, ") R 1 (\u{fffd}");
        assert_eq!(largest_growers(&earlier, &later, |_| false, 1).len(), 1);
        // What a fork of the first shares with it is not its own.
        let mut forked = later.clone();
        forked.parents.insert(10, 5);
        forked.processes.iter_mut().for_each(|it| {
            if it.pid == 10 {
                it.anonymous_pages = 430;
            }
        });
        let growers = largest_growers(&earlier, &forked, |pid| pid == 9, 9);
        assert_eq!((growers[2].consumer.pid, growers[2].grown_pages), (10, 30));
        let few = read_some_consumers(&root, 2).unwrap();
        assert!(few.is_partial && few.processes.len() <= 2);
        // Who is not in it may have been there.
        let none = Consumers {
            is_partial: true,
            ..Consumers::default()
        };
        assert_eq!(largest_growers(&none, &later, |_| false, 9), []);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn this_process_is_one_of_the_machines() {
        let all = read_consumers(Path::new("/proc")).unwrap();
        let own = std::process::id();
        let own = all.processes.iter().find(|it| it.pid == own).unwrap();
        assert!(own.anonymous_pages > 0 && !own.name.is_empty() && own.started_ticks > 0);
        assert!(!all.processes.iter().any(|it| it.name == "kthreadd"));
    }

    proptest! {
        #[test]
        fn hostile_text_is_no_crash(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (started_ticks_of(&text), stat_name(&text));
            let named = [b"42 (", text.as_slice(), b") S 5 1 1 0 -1 4194304 7 7 7 7 7 7 7 7 7 7 7 7 31"].concat();
            prop_assert_eq!(started_ticks_of(&named), Some(31));
            prop_assert_eq!(stat_name(&named), Some(String::from_utf8_lossy(&text).into_owned()));
        }
    }
}
