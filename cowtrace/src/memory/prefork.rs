//! Prefork trees of the machine: who has whose memory, and how much of it they still share.
//!
//! Nothing is traced. Frames are compared as for a balance, over a bounded sample: 3 ms for each process that is
//! looked at.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    fs, io,
    path::Path,
};

use super::{
    BalanceBudget, KinSearch, LEAST_UNITS, balance_spans, page_bytes, process::anonymous_pages,
    read_balance, read_comm, read_command_line, read_layout_text, read_mappings,
};
use crate::run::{BalanceIs, PageBalance, PreforkTree, PreforkTrees, Unsharable};

/// Trees that are looked at: those that may share most.
const MOST_TREES: usize = 24;
/// Workers of a tree that are looked at, and of one donor.
const MOST_WORKERS: usize = 32;
const MOST_HEIRS: usize = 8;
/// Trees that may share less are left out, bytes: a shell in a pipe is one.
const LEAST_SHARED: u64 = 1 << 20;
/// All pages are looked at of families that have no more than these, 256 MiB of small ones; of larger ones, a sample.
const PAGES_EACH: u64 = 1 << 14;
const PAGES_IN_ALL: u64 = 1 << 16;

/// Who has whose memory: by donor, its heirs.
type Heirs = BTreeMap<u32, Vec<u32>>;

/// A tree before it is looked at.
struct FoundTree {
    master: u32,
    heirs: Heirs,
    /// Pages that its workers can share at most.
    most_pages: u64,
}

/// Finds the trees, and what each can still unshare. Those that `own` is in are left out.
pub fn read_prefork_trees(root: &Path, own: &[u32]) -> io::Result<PreforkTrees> {
    let page_bytes = page_bytes();
    let mut found = find_trees(root, own)?;
    found.retain(|tree| tree.most_pages.saturating_mul(page_bytes) >= LEAST_SHARED);
    found.sort_by_key(|tree| (Reverse(tree.most_pages), tree.master));
    let left_out = found.len().saturating_sub(MOST_TREES);
    found.truncate(MOST_TREES);
    let mut trees: Vec<PreforkTree> = found
        .iter()
        .map(|tree| PreforkTree {
            pid: tree.master,
            comm: read_comm(root, tree.master),
            command_line: read_command_line(root, tree.master),
            folder: read_working_folder(root, tree.master),
            workers: tree.heirs.values().map(Vec::len).sum(),
            unsharable: read_unsharable(root, &tree.heirs, page_bytes),
            trace_options: String::new(),
        })
        .collect();
    trees.sort_by_key(|tree| Reverse(tree.unsharable.bytes));
    Ok(PreforkTrees { trees, left_out })
}

fn read_working_folder(root: &Path, pid: u32) -> Option<String> {
    let folder = fs::read_link(root.join(pid.to_string()).join("cwd")).ok()?;
    Some(folder.to_string_lossy().into_owned())
}

fn find_trees(root: &Path, own: &[u32]) -> io::Result<Vec<FoundTree>> {
    let all = KinSearch::default().donors_of_all(root)?;
    let donor = |pid: &u32| all.donors.get(pid).copied();
    let top = |pid: u32| {
        // Donors are older, so there is no circle unless /proc changed meanwhile.
        let line = std::iter::successors(Some(pid), donor).take(all.processes.len());
        line.last().unwrap_or(pid)
    };
    let mut trees: BTreeMap<u32, Heirs> = BTreeMap::new();
    for (&heir, &donor) in &all.donors {
        let heirs = trees.entry(top(heir)).or_default();
        heirs.entry(donor).or_default().push(heir);
    }
    let own: HashSet<u32> = own.iter().copied().collect();
    let is_own = |(master, heirs): &(u32, Heirs)| {
        own.contains(master) || heirs.values().flatten().any(|heir| own.contains(heir))
    };
    let others = trees.into_iter().filter(|tree| !is_own(tree));
    let trees = others.map(|(master, mut heirs)| {
        for pids in heirs.values_mut() {
            pids.sort_unstable();
        }
        FoundTree {
            most_pages: most_shared(root, &heirs),
            master,
            heirs,
        }
    });
    Ok(trees.collect())
}

/// Pages that heirs can share at most: no more than they have, and no more than their donors have.
fn most_shared(root: &Path, heirs: &Heirs) -> u64 {
    let of_donor = |(&donor, heirs): (&u32, &Vec<u32>)| {
        let most = anonymous_pages(root, donor);
        let shared = heirs
            .iter()
            .map(|&heir| anonymous_pages(root, heir).min(most));
        shared.fold(0, u64::saturating_add)
    };
    heirs.iter().map(of_donor).fold(0, u64::saturating_add)
}

/// What the workers of a tree share with their donors.
fn read_unsharable(root: &Path, heirs: &Heirs, page_bytes: u64) -> Unsharable {
    let mut sum = UnsharableSum::default();
    for (&donor, heirs) in heirs {
        let left = MOST_WORKERS.saturating_sub(sum.read);
        let chosen = evenly_chosen(heirs, left.min(MOST_HEIRS));
        sum.left_out += heirs.len() - chosen.len();
        if !chosen.is_empty() {
            let balances = read_family(root, donor, &chosen, page_bytes);
            for balance in &balances {
                sum.add(balance);
            }
        }
    }
    sum.unsharable(page_bytes)
}

/// Some of the heirs, from the oldest to the youngest.
fn evenly_chosen(heirs: &[u32], most: usize) -> Vec<u32> {
    let chosen =
        (0..most.min(heirs.len())).map(|at| heirs[at * heirs.len() / most.min(heirs.len())]);
    chosen.collect()
}

fn read_family(root: &Path, donor: u32, heirs: &[u32], page_bytes: u64) -> Vec<PageBalance> {
    let pids = heirs.iter().chain([&donor]);
    let mappings: Vec<_> = pids
        .filter_map(|&pid| read_mappings(&read_layout_text(root, pid).ok()?).ok())
        .flatten()
        .collect();
    let budget = BalanceBudget {
        pages_each: PAGES_EACH,
        pages_in_all: PAGES_IN_ALL,
        units: LEAST_UNITS,
        ..BalanceBudget::default()
    };
    read_balance(
        root,
        donor,
        heirs,
        &balance_spans(&mappings),
        page_bytes,
        budget,
    )
    .inheritors
}

/// Adds up what workers share.
#[derive(Debug, Default)]
struct UnsharableSum {
    pages: u64,
    error_pages: u64,
    is: Option<BalanceIs>,
    read: usize,
    unread: usize,
    left_out: usize,
}

impl UnsharableSum {
    fn add(&mut self, balance: &PageBalance) {
        if balance.is == BalanceIs::Unknown {
            self.unread += 1;
            return;
        }
        self.read += 1;
        self.pages = self.pages.saturating_add(balance.shared_pages);
        self.error_pages = self.error_pages.saturating_add(balance.error_pages);
        self.is = Some(match (self.is, balance.is) {
            (Some(BalanceIs::Coarse), _) | (_, BalanceIs::Coarse) => BalanceIs::Coarse,
            (Some(BalanceIs::Sampled), _) => BalanceIs::Sampled,
            (_, own) => own,
        });
    }

    fn unsharable(&self, page_bytes: u64) -> Unsharable {
        // As the others on average.
        let of_all = |pages: u64| {
            let all = (self.read + self.left_out) as u128;
            let pages = u128::from(pages) * all / (self.read as u128).max(1);
            u64::try_from(pages)
                .unwrap_or(u64::MAX)
                .saturating_mul(page_bytes)
        };
        let is = match self.is {
            None => BalanceIs::Unknown,
            Some(BalanceIs::Exact) if self.left_out > 0 => BalanceIs::Sampled,
            Some(is) => is,
        };
        Unsharable {
            bytes: (self.read > 0).then(|| of_all(self.pages)),
            is,
            error_bytes: of_all(self.error_pages),
            estimated_workers: if self.read > 0 { self.left_out } else { 0 },
            unread_workers: self.unread + if self.read > 0 { 0 } else { self.left_out },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(is: BalanceIs, shared_pages: u64) -> PageBalance {
        PageBalance {
            is,
            shared_pages,
            ..PageBalance::default()
        }
    }

    #[test]
    fn workers_that_were_left_out_count_as_the_others_and_unread_ones_do_not() {
        let mut sum = UnsharableSum {
            left_out: 2,
            ..UnsharableSum::default()
        };
        for pages in [100, 300] {
            sum.add(&balance(BalanceIs::Exact, pages));
        }
        sum.add(&balance(BalanceIs::Unknown, 0));
        let found = sum.unsharable(4096);
        assert_eq!(found.bytes, Some(800 * 4096));
        assert_eq!(found.is, BalanceIs::Sampled);
        assert_eq!((found.estimated_workers, found.unread_workers), (2, 1));
        sum.add(&balance(BalanceIs::Coarse, 1));
        sum.add(&balance(BalanceIs::Sampled, 1));
        assert_eq!(sum.unsharable(4096).is, BalanceIs::Coarse);
        let unread = UnsharableSum {
            left_out: 2,
            unread: 3,
            ..UnsharableSum::default()
        };
        let found = unread.unsharable(4096);
        assert_eq!(
            (found.bytes, found.is, found.unread_workers),
            (None, BalanceIs::Unknown, 5)
        );
    }

    #[test]
    fn some_of_many_are_chosen_over_all_of_them() {
        let heirs: Vec<u32> = (0..100).collect();
        assert_eq!(evenly_chosen(&heirs, 4), [0, 25, 50, 75]);
        assert_eq!(evenly_chosen(&heirs[..3], 8), [0, 1, 2]);
        assert_eq!(evenly_chosen(&heirs, 0), [0; 0]);
    }

    #[test]
    fn a_program_that_this_process_started_has_none_of_its_memory() {
        let root = Path::new("/proc");
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let trees = find_trees(root, &[]).unwrap();
        let heirs = trees.iter().flat_map(|tree| tree.heirs.values().flatten());
        assert!(heirs.copied().all(|heir| heir != child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
