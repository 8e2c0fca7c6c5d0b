//! Trees whose workers are known.

use super::*;
use crate::run::{Role, Run, Sources, arbitrary};

const SECOND: u64 = 1_000_000_000;

/// A run that grows process by process, each at its own time.
struct Tree {
    run: Run,
    now_ns: u64,
}

impl Tree {
    fn of(comm: &str) -> Self {
        let mut tree = Self {
            run: arbitrary::empty(),
            now_ns: 0,
        };
        tree.add(100, None, comm, Role::Master);
        tree
    }

    fn add(&mut self, pid: u32, parent_id: Option<u32>, comm: &str, role: Role) -> u32 {
        let id = u32::try_from(self.run.memory.processes.len()).unwrap();
        self.now_ns += SECOND / 100;
        self.run.memory.processes.push(Process {
            id,
            pid,
            parent_id,
            comm: comm.into(),
            role,
            started_ns: self.now_ns,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: None,
            target: None,
        });
        id
    }

    fn image(&mut self, id: u32) -> &mut Process {
        &mut self.run.memory.processes[id as usize]
    }

    /// A child that copies pages and lives for so long; for ever if that is none.
    fn fork(&mut self, parent: u32, pages: u64, lives_ns: Option<u64>) -> u32 {
        let comm = self.image(parent).comm.clone();
        let pid = 1_000 + u32::try_from(self.run.memory.processes.len()).unwrap();
        let id = self.add(pid, Some(parent), &comm, Role::Worker);
        let image = self.image(id);
        image.copied.anon = pages;
        image.inherited_pages = Some(10_000);
        image.exited_ns = lives_ns.map(|lives| image.started_ns + lives);
        id
    }

    /// Starts a program in a process's place, after so long.
    fn exec(&mut self, before: u32, comm: &str, after_ns: u64) -> u32 {
        let image = self.image(before);
        image.exited_ns = Some(image.started_ns + after_ns);
        let (pid, role) = (image.pid, image.role);
        self.add(pid, Some(before), comm, role)
    }

    /// Workers, helpers and others that were started.
    fn counts(&self) -> [usize; 3] {
        let all = self.run.workforce();
        let pages = |others: &OtherProcesses<'_>| others.copied_pages;
        let of_workers: u64 = all.workers.iter().map(|it| it.copied_pages).sum();
        let told = of_workers + pages(&all.helpers) + pages(&all.started);
        let of_masters = self.run.memory.processes.iter();
        let of_masters = of_masters.filter(|process| process.role == Role::Master);
        let of_masters: u64 = of_masters.map(|master| master.copied.total()).sum();
        assert_eq!(
            told + of_masters,
            self.run.copied().total(),
            "no copy is left out"
        );
        [
            all.workers.len(),
            all.helpers.processes,
            all.started.processes,
        ]
    }
}

const MOMENT: Option<u64> = Some(SECOND / 50);

#[test]
fn children_that_do_one_job_each_are_workers() {
    let mut tree = Tree::of("perl");
    for _ in 0..100 {
        tree.fork(0, 1_250, MOMENT);
    }
    assert_eq!(tree.counts(), [100, 0, 0]);
}

#[test]
fn an_only_child_is_a_worker_however_short() {
    let mut tree = Tree::of("bash");
    tree.fork(0, 3, MOMENT);
    assert_eq!(tree.counts(), [1, 0, 0]);
}

#[test]
fn children_of_a_script_that_becomes_a_service_are_helpers() {
    let mut tree = Tree::of("bash");
    for _ in 0..72 {
        tree.fork(0, 60, MOMENT);
    }
    let service = tree.exec(0, "python3", 3 * SECOND);
    for _ in 0..2 {
        tree.fork(service, 900, None);
    }
    assert_eq!(tree.counts(), [2, 72, 0]);
    let all = tree.run.workforce();
    assert_eq!(all.helpers.parents, BTreeSet::from(["bash"]));
    assert_eq!(all.helpers.copied_pages, 72 * 60);
    assert_eq!(all.inherited_pages(), Some(20_000));
    assert_eq!(all.donors(), IdSet::from_iter([service]));
}

#[test]
fn workers_that_idle_are_workers_behind_a_script_too() {
    let mut tree = Tree::of("bash");
    for _ in 0..40 {
        tree.fork(0, 60, MOMENT);
    }
    let service = tree.exec(0, "nginx", SECOND);
    for _ in 0..4 {
        tree.fork(service, 20, None);
    }
    assert_eq!(tree.counts(), [4, 40, 0]);
}

#[test]
fn a_script_that_waits_for_its_service_wraps_it_too() {
    let mut tree = Tree::of("bash");
    for _ in 0..72 {
        tree.fork(0, 60, MOMENT);
    }
    let child = tree.fork(0, 20, None);
    let service = tree.exec(child, "python3", SECOND / 1_000);
    for _ in 0..2 {
        tree.fork(service, 900, None);
    }
    assert_eq!(tree.counts(), [2, 72, 1]);
}

#[test]
fn what_a_script_ran_before_it_became_a_service_is_preparation() {
    let mut tree = Tree::of("bash");
    // A script of its own, which forks too: pyenv finds out which Python to start.
    let child = tree.fork(0, 20, MOMENT);
    let finder = tree.exec(child, "pyenv-which", SECOND / 1_000);
    tree.image(finder).exited_ns = Some(2 * SECOND);
    for _ in 0..5 {
        tree.fork(finder, 60, MOMENT);
    }
    let slow = tree.fork(finder, 60, Some(2 * SECOND));
    let service = tree.exec(0, "python3", 5 * SECOND);
    for _ in 0..2 {
        tree.fork(service, 900, None);
    }
    assert_eq!(tree.counts(), [2, 7, 0]);
    // What still runs when the service begins is no preparation.
    tree.image(slow).exited_ns = None;
    assert_eq!(tree.counts(), [3, 6, 0]);
}

#[test]
fn jobs_of_a_service_behind_a_script_are_workers_though_none_lasts() {
    let mut tree = Tree::of("bash");
    // In the background for the whole time, as `while sleep 1; do …; done &`.
    tree.fork(0, 30, None);
    tree.fork(0, 60, MOMENT);
    let service = tree.exec(0, "perl", SECOND);
    for _ in 0..100 {
        tree.fork(service, 1_250, MOMENT);
    }
    assert_eq!(tree.counts(), [101, 1, 0]);
}

#[test]
fn jobs_that_start_scripts_are_workers() {
    let mut tree = Tree::of("python3");
    for _ in 0..50 {
        let job = tree.fork(0, 300, MOMENT);
        let starts = tree.fork(job, 5, MOMENT);
        let shell = tree.exec(starts, "sh", SECOND / 1_000);
        tree.fork(shell, 30, Some(2 * SECOND));
    }
    let [workers, helpers, started] = tree.counts();
    assert_eq!((workers, helpers, started), (100, 0, 50));
}

#[test]
fn a_service_that_replaces_itself_does_not_make_helpers_of_its_jobs() {
    let mut tree = Tree::of("perl");
    for _ in 0..10 {
        tree.fork(0, 1_000, MOMENT);
    }
    let anew = tree.exec(0, "perl", 5 * SECOND);
    for _ in 0..10 {
        tree.fork(anew, 1_200, MOMENT);
    }
    assert_eq!(tree.counts(), [20, 0, 0]);
}

#[test]
fn who_starts_one_program_after_another_is_one_process() {
    let mut tree = Tree::of("perl");
    for _ in 0..4 {
        let mut image = tree.fork(0, 20, None);
        for _ in 0..263 {
            image = tree.exec(image, "perl", SECOND / 1_000);
            tree.image(image).copied.file = 3;
        }
    }
    assert_eq!(tree.run.descendants().count(), 1_056);
    assert_eq!(tree.counts(), [0, 0, 4]);
}

#[test]
fn a_worker_that_starts_a_program_after_its_work_stays_one_worker() {
    let mut tree = Tree::of("perl");
    for _ in 0..4 {
        let worker = tree.fork(0, 500, None);
        let anew = tree.exec(worker, "perl", 20 * SECOND);
        tree.image(anew).copied.file = 7;
    }
    assert_eq!(tree.counts(), [4, 0, 0]);
    let all = tree.run.workforce();
    assert!(all.workers.iter().all(|worker| worker.copied_pages == 507));
    assert_eq!(all.donors(), IdSet::from_iter([0]));
}

#[test]
fn records_that_stand_for_several_are_of_workers() {
    let mut tree = Tree::of("perl");
    for _ in 0..3 {
        let id = tree.fork(0, 9, MOMENT);
        tree.image(id).pid = 0;
    }
    assert_eq!(tree.counts(), [3, 0, 0]);
}

#[test]
fn a_long_line_of_programs_takes_no_time_to_speak_of() {
    let mut tree = Tree::of("p0");
    let mut image = 0;
    for number in 1..60_000u64 {
        let child = tree.fork(image, 1, MOMENT);
        image = tree.exec(child, &format!("p{number}"), SECOND / 1_000);
    }
    // One pass: a walk up from each would take 900 million steps.
    assert_eq!(tree.counts(), [0, 0, 59_999]);
}
