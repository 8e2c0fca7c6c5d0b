//! Targets on a /proc and cgroups made of files.

use std::fs;

use super::*;
use crate::scratch::Scratch;

/// A machine whose processes and cgroups are files.
struct FakeMachine {
    scratch: Scratch,
}

impl FakeMachine {
    fn new(name: &str) -> Self {
        let machine = Self {
            scratch: Scratch::new(name),
        };
        fs::create_dir_all(machine.root().join("self")).unwrap();
        fs::write(machine.root().join("self/stat"), "").unwrap();
        machine.put_cgroup("", &[]);
        machine
    }

    fn root(&self) -> PathBuf {
        self.scratch.path("proc")
    }

    fn cgroups(&self) -> PathBuf {
        self.scratch.path("cgroup")
    }

    /// A process with its parent, its start and its command line.
    fn put_process(&self, pid: u32, parent: u32, ticks: u64, line: &str) {
        let folder = self.root().join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stat = format!(
            "{pid} (x) S {parent} 1 1 0 -1 4194304{} {ticks} 0 0\n",
            " 7".repeat(12)
        );
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("cmdline"), line.replace(' ', "\0") + "\0").unwrap();
    }

    fn end_process(&self, pid: u32) {
        fs::remove_dir_all(self.root().join(pid.to_string())).unwrap();
    }

    fn put_cgroup(&self, path: &str, pids: &[u32]) {
        let folder = self.cgroups().join(path);
        fs::create_dir_all(&folder).unwrap();
        let lines: Vec<String> = pids.iter().map(u32::to_string).collect();
        fs::write(folder.join("cgroup.procs"), lines.join("\n")).unwrap();
    }

    fn begin(&self, wanted: Wanted) -> Result<(TargetWatch, Vec<u32>), TargetError> {
        let target = Target { name: None, wanted };
        let (watch, masters) = TargetWatch::begin(&self.root(), &self.cgroups(), &[target], false)?;
        Ok((watch, pids_of(&masters)))
    }
}

fn pids_of(masters: &[FoundMaster]) -> Vec<u32> {
    masters.iter().map(|it| it.pid).collect()
}

fn new_masters(watch: &mut TargetWatch, traced: &[u32]) -> Vec<u32> {
    let seen = watch.look();
    pids_of(&watch.masters_among(seen, &traced.iter().copied().collect()))
}

#[test]
fn a_service_that_is_started_again_is_found_again() {
    let machine = FakeMachine::new("restart");
    machine.put_process(10, 1, 5, "web");
    machine.put_process(11, 10, 6, "web");
    machine.put_cgroup("system.slice", &[]);
    machine.put_cgroup("system.slice/web.service", &[10]);
    machine.put_cgroup("system.slice/web.service/workers", &[11]);
    let unit = Wanted::Cgroup("system.slice/web.service".into());
    let (mut watch, masters) = machine.begin(unit).unwrap();
    assert_eq!(masters, [10]);
    assert!(watch.waits() && watch.names_without_processes().next().is_none());
    assert_eq!(new_masters(&mut watch, &[10, 11]), [0; 0]);
    // Put into it from outside: no fork was seen.
    machine.put_process(20, 1, 7, "debug");
    machine.put_cgroup("system.slice/web.service/debug", &[20]);
    assert_eq!(new_masters(&mut watch, &[10, 11]), [20]);
    assert_eq!(
        new_masters(&mut watch, &[10, 11]),
        [0; 0],
        "it is tried once"
    );
    assert_eq!(watch.changes(|_| 3), []);
    // It stops, and its cgroup goes.
    for pid in [10, 11, 20] {
        machine.end_process(pid);
    }
    fs::remove_dir_all(machine.cgroups().join("system.slice/web.service")).unwrap();
    assert_eq!(new_masters(&mut watch, &[]), [0; 0]);
    let name = "web.service";
    let change = |processes| TargetChange {
        name: name.into(),
        processes,
    };
    assert_eq!(watch.changes(|_| 0), [change(0)]);
    assert_eq!(watch.changes(|_| 0), []);
    // It starts, one process with the number of an older one.
    machine.put_process(20, 1, 90, "web");
    machine.put_process(31, 20, 91, "web");
    machine.put_cgroup("system.slice/web.service", &[20, 31]);
    assert_eq!(new_masters(&mut watch, &[]), [20]);
    assert_eq!(watch.changes(|_| 2), [change(2)]);
}

#[test]
fn an_empty_cgroup_is_waited_for_and_one_that_is_not_there_is_an_error() {
    let machine = FakeMachine::new("empty");
    machine.put_cgroup("jobs.service", &[]);
    let (mut watch, masters) = machine
        .begin(Wanted::Unit("jobs".parse().unwrap()))
        .unwrap();
    assert_eq!(masters, [0; 0]);
    assert_eq!(
        watch.names_without_processes().collect::<Vec<_>>(),
        ["jobs"]
    );
    machine.put_process(10, 1, 5, "jobs");
    machine.put_cgroup("jobs.service", &[10]);
    assert_eq!(new_masters(&mut watch, &[]), [10]);
    let fails = |wanted: Wanted| machine.begin(wanted).unwrap_err().to_string();
    assert!(fails(Wanted::Cgroup("none".into())).contains("no cgroup none"));
    assert!(fails(Wanted::Cgroup("/".into())).contains("all processes of the machine"));
    assert!(fails(Wanted::Unit("none".parse().unwrap())).contains("no unit none.service"));
    assert!(fails(Wanted::Match("none".parse().unwrap())).contains("matches none"));
    assert!(fails(Wanted::Pid(77)).contains("no process 77"));
}

#[test]
fn a_pattern_finds_the_topmost_and_those_that_start_later() {
    let machine = FakeMachine::new("pattern");
    machine.put_process(5, 1, 1, "vim gunicorn.py");
    machine.put_process(10, 1, 5, "gunicorn: master [shop]");
    machine.put_process(11, 10, 6, "gunicorn: worker [shop]");
    machine.put_process(20, 1, 7, "gunicorn: master [blog]");
    let pattern = Wanted::Match("^gunicorn: ".parse().unwrap());
    let (mut watch, masters) = machine.begin(pattern).unwrap();
    assert_eq!(masters, [10, 20]);
    // A shell that will start it: it does not match yet.
    machine.put_process(30, 1, 8, "sh -c serve");
    assert_eq!(new_masters(&mut watch, &[10, 11, 20]), [0; 0]);
    machine.put_process(30, 1, 8, "gunicorn: master [new]");
    machine.put_process(31, 30, 8, "gunicorn: worker [new]");
    assert_eq!(new_masters(&mut watch, &[10, 11, 20]), [30]);
    // One that is old by now gives itself a title: its turn comes.
    machine.put_process(5, 1, 1, "gunicorn: master [late]");
    let traced = [10, 11, 20, 30, 31];
    let looks = (0..=ROUND).map(|_| new_masters(&mut watch, &traced));
    assert_eq!(looks.flatten().collect::<Vec<_>>(), [5]);
}

#[test]
fn each_process_belongs_to_the_first_target_that_has_it() {
    let machine = FakeMachine::new("several");
    machine.put_process(10, 1, 5, "web");
    machine.put_process(20, 1, 5, "jobs");
    machine.put_cgroup("all", &[10, 20]);
    let targets = [
        Wanted::Pid(20),
        Wanted::Cgroup("all".into()),
        Wanted::Pid(20),
    ];
    let targets = targets.map(|wanted| Target { name: None, wanted });
    let begun = TargetWatch::begin(&machine.root(), &machine.cgroups(), &targets, false);
    let found = begun.unwrap().1;
    let master = |pid, target| FoundMaster { pid, target };
    assert_eq!(found, [master(10, 1), master(20, 0)]);
    let watch = TargetWatch::begin(&machine.root(), &machine.cgroups(), &targets, false)
        .unwrap()
        .0;
    assert_eq!((watch.name_of(0), watch.name_of(1)), (None, Some("all")));
}

#[test]
fn command_lines_of_older_processes_are_read_in_turn() {
    let mut scan = CommandLineScan::default();
    let all: Vec<u32> = (1..=600).collect();
    scan.note_known(&all);
    let mut read: HashMap<u32, usize> = HashMap::new();
    for _ in 0..ROUND {
        let due = scan.due(all.clone());
        assert_eq!(due.len(), 10);
        for pid in due {
            *read.entry(pid).or_default() += 1;
        }
    }
    assert_eq!(read.len(), 600);
    let later = scan.due(vec![601, 602]);
    assert_eq!(later, BTreeSet::from([601, 602]));
    assert_eq!(scan.looks.len(), 2, "those that are gone are forgotten");
    assert!(scan.due(Vec::new()).is_empty());
}

#[test]
fn what_is_not_there_at_all_is_an_error_unless_it_is_waited_for() {
    let machine = FakeMachine::new("waits");
    machine.put_process(10, 1, 5, "web");
    let targets = ["web.*prefork", "jobs"].map(|pattern| Target {
        name: None,
        wanted: Wanted::Match(pattern.parse().unwrap()),
    });
    let begin = |waits| TargetWatch::begin(&machine.root(), &machine.cgroups(), &targets, waits);
    assert!(matches!(begin(false), Err(TargetError::NoMatch(_))));
    let (mut watch, masters) = begin(true).unwrap();
    assert!(masters.is_empty() && watch.names_without_processes().count() == 2);
    machine.put_process(20, 1, 9, "jobs");
    assert_eq!(new_masters(&mut watch, &[]), [20]);
}

#[test]
fn an_older_process_that_became_the_service_is_the_master_of_its_workers() {
    let machine = FakeMachine::new("became");
    machine.put_process(10, 1, 5, "start.sh");
    let wanted = Wanted::Match("web".parse().unwrap());
    let targets = [Target { name: None, wanted }];
    let begun = TargetWatch::begin(&machine.root(), &machine.cgroups(), &targets, true);
    let mut watch = begun.unwrap().0;
    assert!(new_masters(&mut watch, &[]).is_empty());
    machine.put_process(10, 1, 5, "web");
    machine.put_process(11, 10, 6, "web");
    machine.put_process(12, 10, 6, "web");
    machine.put_process(13, 1, 6, "sudo /usr/bin/cowtrace --match web");
    assert_eq!(new_masters(&mut watch, &[]), [10]);
}
