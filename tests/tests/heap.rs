//! Which variable holds an object, for every supported `CPython` on this machine, compared with a
//! child of the same process that asks its own garbage collector.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use cowtrace::writer::{Found, Limits, holders_of};
use cowtrace_tests::{
    pythons::{Interpreter, walkable},
    workload::Service,
};

const SERVICE: &str = include_str!("heap.py");

/// Of the objects that only one variable holds, this share must be found under it. The rest is a
/// handful of objects that the interpreter itself holds too, such as small numbers.
const SHARE: f64 = 0.999;
/// While the master allocates and frees, an object may move between two reads.
const MOVING_SHARE: f64 = 0.99;

/// Objects by the variable that holds them.
type Truth = BTreeMap<String, Vec<u64>>;

fn start(python: &Interpreter) -> (Service, Truth) {
    let mut service = Service::start(python.command().args(["-c", SERVICE]));
    let truth = serde_json::from_value(service.answer()).expect("addresses by variable");
    (service, truth)
}

fn find(service: &Service, truth: &Truth, limits: &Limits) -> Result<Found, String> {
    let mut addresses: Vec<u64> = truth.values().flatten().copied().collect();
    addresses.sort_unstable();
    let pages = vec![1; addresses.len()];
    holders_of(Path::new("/proc"), service.pid(), addresses, pages, limits)
}

/// How many objects were found under the variable that holds them, or under a part of it.
fn right(truth: &Truth, found: &Found) -> u64 {
    let of = |name: &str| -> u64 {
        let is_part = |path: &str| {
            let rest = path.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.', ' ']))
        };
        let parts = found.variables.iter().filter(|it| is_part(&it.path));
        parts.map(|it| it.copied_pages).sum()
    };
    let counts = truth.iter().map(|(name, objects)| (of(name), objects));
    counts
        .map(|(found, objects)| found.min(objects.len() as u64))
        .sum()
}

fn all(truth: &Truth) -> u64 {
    truth.values().map(|objects| objects.len() as u64).sum()
}

#[test]
fn objects_are_found_under_the_variables_that_hold_them() {
    for python in walkable() {
        let (service, truth) = start(&python);
        let found = find(&service, &truth, &Limits::default())
            .unwrap_or_else(|why| panic!("{python}: {why}"));
        let (right, all) = (right(&truth, &found), all(&truth));
        let told: BTreeMap<&str, u64> = found
            .variables
            .iter()
            .map(|it| (&*it.path, it.copied_pages))
            .collect();
        let expected: BTreeMap<&str, usize> =
            truth.iter().map(|(name, it)| (&**name, it.len())).collect();
        assert!(
            right as f64 >= SHARE * all as f64 && all > 100_000,
            "{python}: {right} of {all}; found {told:#?} of {expected:#?}"
        );
        assert!(!found.is_partial, "{python}: {} objects", found.objects);
        service.end();
    }
}

#[test]
fn a_master_that_goes_on_is_walked_to_the_end() {
    for python in walkable() {
        let (mut service, truth) = start(&python);
        service.say("churn");
        service.answer();
        for _ in 0..3 {
            let found = find(&service, &truth, &Limits::default())
                .unwrap_or_else(|why| panic!("{python}: {why}"));
            let (right, all) = (right(&truth, &found), all(&truth));
            assert!(
                right as f64 >= MOVING_SHARE * all as f64,
                "{python}: {right} of {all}"
            );
            assert!(!found.is_partial, "{python}: {} objects", found.objects);
        }
        service.end();
    }
}

#[test]
fn a_walk_ends_with_its_time_or_its_memory_and_says_so() {
    let python = walkable().remove(0);
    let (service, truth) = start(&python);
    let short = Limits {
        time: Duration::from_millis(1),
        ..Limits::default()
    };
    let found = find(&service, &truth, &short).expect("a part");
    assert!(found.is_partial && found.duration_ns < 1_000_000_000);
    let small = Limits {
        memory_bytes: (16 << 20) + all(&truth) as usize * 24 + (64 << 10),
        ..Limits::default()
    };
    match find(&service, &truth, &small) {
        Ok(found) => assert!(found.is_partial),
        Err(why) => assert!(why.contains("modules"), "{why}"),
    }
    service.end();
}

#[test]
fn walking_a_process_leaves_it_as_it_was() {
    let private_dirty = |pid: u32| -> String {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps");
        let line = text.lines().find(|line| line.starts_with("Private_Dirty"));
        line.expect("a sum").to_owned()
    };
    let faults = |pid: u32| -> String {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let after = text.rsplit(')').next().expect("fields after the name");
        after.split_whitespace().nth(7).expect("faults").to_owned()
    };
    for python in walkable() {
        let (service, truth) = start(&python);
        let pid = service.pid();
        // It waits for a line; the little work that it does before that takes no time.
        std::thread::sleep(Duration::from_millis(200));
        let before = (private_dirty(pid), faults(pid));
        let found = find(&service, &truth, &Limits::default()).expect("variables");
        assert!(found.objects > 100_000);
        assert_eq!((private_dirty(pid), faults(pid)), before, "{python}");
        service.end();
    }
}
