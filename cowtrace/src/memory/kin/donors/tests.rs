//! Families whose history is played: memory that is forked and written.

use super::*;

/// Processes that fork and write, and the frames that they have then.
#[derive(Default)]
struct History {
    rows: Vec<Vec<u64>>,
    started: Vec<u64>,
    now: u64,
    next_frame: u64,
}

impl History {
    /// A program with room for `pages` pages, of which the first `present` are in memory.
    fn started(pages: usize, present: usize) -> Self {
        let mut history = Self::default();
        history.rows.push(vec![0; pages]);
        history.started.push(0);
        history.write(0, 0..present);
        history
    }

    fn fork(&mut self, from: usize) -> usize {
        self.rows.push(self.rows[from].clone());
        self.started.push(self.now);
        self.rows.len() - 1
    }

    fn write(&mut self, who: usize, pages: std::ops::Range<usize>) {
        // Writing takes time.
        self.now += 20;
        for page in pages {
            self.next_frame += 1;
            self.rows[who][page] = self.next_frame;
        }
    }

    /// A process ends: nothing of it is seen.
    fn end(&mut self, who: usize) {
        self.rows[who].clear();
    }

    fn donor(&self, heir: usize, parent: Option<usize>) -> Option<usize> {
        let (rows, started) = (self.rows.clone(), self.started.clone());
        choose_donor(&FrameTable { rows, started }, heir, parent, None)
    }
}

const PAGES: usize = 1000;

#[test]
fn the_mold_is_the_donor_and_not_the_monitor_that_is_the_parent() {
    let mut history = History::started(PAGES, 100);
    let mold = history.fork(0);
    history.write(mold, 50..PAGES);
    let workers = [0, 1, 2].map(|_| history.fork(mold));
    for worker in workers {
        assert_eq!(
            history.donor(worker, Some(0)),
            Some(mold),
            "nothing written"
        );
    }
    history.write(workers[0], 0..400);
    history.write(workers[1], 200..900);
    history.write(mold, 990..PAGES);
    for worker in workers {
        assert_eq!(history.donor(worker, Some(0)), Some(mold));
    }
    assert_eq!(history.donor(mold, Some(0)), Some(0));
    // The parent runs another program.
    assert_eq!(history.donor(workers[2], None), Some(mold));
}

#[test]
fn a_worker_that_became_the_mold_is_the_donor_of_those_it_forked() {
    for old_mold_lives in [true, false] {
        for others_live in [true, false] {
            let mut history = History::started(PAGES, 100);
            let old = history.fork(0);
            history.write(old, 50..PAGES);
            let (first, second) = (history.fork(old), history.fork(old));
            history.write(first, 300..380);
            history.write(second, 500..700);
            let new = history.fork(first);
            history.write(new, 0..100);
            if !old_mold_lives {
                history.end(old);
            }
            if !others_live {
                history.end(second);
            }
            assert_eq!(
                history.donor(new, Some(0)),
                Some(first),
                "{old_mold_lives} {others_live}"
            );
        }
    }
}

#[test]
fn a_master_that_writes_its_memory_after_its_forks_remains_the_donor() {
    let mut history = History::started(PAGES, PAGES);
    let workers: Vec<usize> = (0..4).map(|_| history.fork(0)).collect();
    history.write(0, 0..950);
    for &worker in &workers {
        assert_eq!(history.donor(worker, Some(0)), Some(0));
    }
    // Those that it forks from then on have what it has now.
    let later = history.fork(0);
    history.write(later, 0..500);
    assert_eq!(history.donor(later, Some(0)), Some(0));
    let last = history.fork(0);
    assert_eq!(history.donor(last, Some(0)), Some(0));
}

#[test]
fn children_that_were_forked_together_are_not_each_others_donors() {
    let mut history = History::started(PAGES, PAGES);
    let (first, second) = (history.fork(0), history.fork(0));
    history.rows[0][..800].fill(0);
    assert_eq!(
        history.donor(second, Some(0)),
        Some(0),
        "it gave back its memory"
    );
    assert_eq!(
        history.donor(second, None),
        Some(first),
        "who forked both is gone"
    );
}

#[test]
fn a_parent_that_had_other_pages_before_the_fork_is_not_the_donor() {
    let mut history = History::started(PAGES, PAGES);
    let witness = history.fork(0);
    let mold = history.fork(0);
    history.write(mold, 0..500);
    let worker = history.fork(mold);
    assert_eq!(history.donor(worker, Some(0)), Some(mold));
    history.end(witness);
    // Without a witness the parent may just as well have written them since.
    assert_eq!(history.donor(worker, Some(0)), Some(0));
}

#[test]
fn who_shares_nothing_has_no_donor_but_its_parent() {
    let mut history = History::started(PAGES, PAGES);
    let one = history.fork(0);
    history.write(one, 0..PAGES);
    assert_eq!(history.donor(one, Some(0)), Some(0));
    assert_eq!(history.donor(one, None), None);
    history.end(one);
    let other = history.fork(0);
    assert_eq!(history.donor(other, None), Some(0));
    history.end(other);
    assert_eq!(history.donor(other, None), None);
    assert_eq!(history.donor(0, None), None);
}

#[test]
fn among_many_the_donor_is_found_too() {
    let mut history = History::started(PAGES, 100);
    let mold = history.fork(0);
    history.write(mold, 50..PAGES);
    for at in 0..200 {
        let worker = history.fork(mold);
        history.write(worker, at..at + 300);
    }
    let promoted = 120;
    let later: Vec<usize> = (0..50).map(|_| history.fork(promoted)).collect();
    for &worker in &later {
        history.write(worker, 600..900);
        assert_eq!(history.donor(worker, Some(0)), Some(promoted));
    }
    assert_eq!(history.donor(100, Some(0)), Some(mold));
}
