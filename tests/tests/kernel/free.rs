//! Copies of memory that was free in the master, for every `CPython` on this machine whose objects can be
//! walked.

use cowtrace_tests::{
    pythons::{Interpreter, walkable},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("free.py");
const WORKERS: u64 = 2;
/// One object in 30 is kept: its part of a page, within what the allocators need besides.
const KEPT: f64 = 1.0 / 30.0;

/// What a trace found.
struct Traced {
    report: Report,
    /// Pages of the data that the workers read, of all workers.
    titles: u64,
}

impl Traced {
    /// Traces workers that do what they are asked, one after the other.
    fn of(python: &Interpreter, how: [&str; 3], orders: &[&str]) -> Self {
        let mut service = Service::start(python.command().args(["-c", SERVICE]).args(how));
        let titles = WORKERS * number(&service.answer(), "titles");
        let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
        for order in orders {
            service.say(order);
            assert_eq!(service.answer()["done"], *order);
        }
        let report = tracer.stop();
        service.end();
        Self { report, titles }
    }

    fn walk(&self) -> &Value {
        let walk = &self.report.0["heap_walks"][0];
        assert_eq!(walk["failure"], Value::Null, "{walk}");
        walk
    }

    /// A figure of the free memory of an allocator.
    fn free(&self, allocator: &str, what: &str) -> u64 {
        let free = self.walk()["free"].as_array().expect("free memory");
        let found = free.iter().find(|it| it["allocator"] == allocator);
        found.map_or(0, |it| number(it, what))
    }

    fn all_free(&self) -> u64 {
        let free = self.walk()["free"].as_array().expect("free memory");
        free.iter().map(|it| number(it, "copied_pages")).sum()
    }

    fn copied(&self) -> u64 {
        number(&self.report.0["totals"], "copied_pages")
    }
}

/// Those with CPython's own allocator. Without a global interpreter lock mimalloc keeps a block that is freed
/// for threads that may still look at it; what is read of its lists is tested with handmade ones.
fn with_pools() -> Vec<Interpreter> {
    let mut found = walkable();
    found.retain(|python| !python.is_free);
    found
}

#[test]
fn new_objects_in_holes_of_the_masters_heap_are_told_as_free_memory_of_it() {
    if !can_trace("free-holes") {
        return;
    }
    for python in with_pools() {
        let traced = Traced::of(&python, ["few", "300", "100000"], &["make"]);
        let (copied, walk) = (traced.copied(), traced.walk());
        assert!(copied > 10_000, "{python}: {copied}");
        let free = traced.free("pymalloc", "copied_pages");
        // Nothing that the master still has is touched, but for some of the interpreter's own: 33 to 116 of
        // 17,400 pages. Up to 5 % are of the lists, which the C library's allocator has.
        assert!(
            traced.all_free() as f64 >= 0.98 * copied as f64 && free as f64 >= 0.9 * copied as f64,
            "{python}: {copied}; {walk:#}"
        );
        // The workers fill pools that are partly used before empty ones: 0.047 where a pool is a page.
        let in_use = traced.free("pymalloc", "in_use_bytes") as f64 / (free * 4096) as f64;
        assert!(
            (0.7 * KEPT..2.0 * KEPT).contains(&in_use),
            "{python}: {in_use}; {walk:#}"
        );
        // Each page once: the workers use the same ones.
        let once = traced.free("pymalloc", "free_bytes") as f64;
        let expected = (free / WORKERS * 4096) as f64 * (1.0 - in_use);
        assert!(
            (0.9 * expected..1.1 * expected).contains(&once),
            "{python}: {once}; {walk:#}"
        );
        let headline = traced.report.0["verdict"]["headline"].to_string();
        assert!(
            headline.contains("NEW OBJECTS IN FREE MEMORY OF THE MASTER"),
            "{headline}"
        );
    }
}

#[test]
fn what_a_master_keeps_is_not_told_as_free_memory() {
    if !can_trace("free-kept") {
        return;
    }
    for python in walkable() {
        let traced = Traced::of(&python, ["all", "300", "1000"], &["read"]);
        let (copied, free) = (traced.copied(), traced.all_free());
        assert!(
            copied * 10 >= traced.titles * 9,
            "{python}: {copied} of {}",
            traced.titles
        );
        // Frames and numbers of the loop.
        assert!(
            free as f64 <= 0.01 * copied as f64,
            "{python}: {:#}",
            traced.walk()
        );
    }
}

#[test]
fn copies_of_both_kinds_are_told_apart() {
    if !can_trace("free-mixed") {
        return;
    }
    for python in with_pools() {
        let traced = Traced::of(&python, ["few", "300", "34000"], &["read", "make"]);
        let (copied, walk) = (traced.copied(), traced.walk());
        let (held, titles) = (number(walk, "held_pages"), traced.titles);
        let others = copied - titles.min(copied);
        assert!(
            (0.3..0.7).contains(&(others as f64 / copied as f64)),
            "{python}: {copied}"
        );
        assert!(
            held.abs_diff(titles) as f64 <= 0.03 * titles as f64,
            "{python}: {titles}; {walk:#}"
        );
        let free = traced.all_free();
        assert!(
            free as f64 >= 0.95 * others as f64,
            "{python}: {others}; {walk:#}"
        );
        assert!(
            free as f64 <= 1.03 * others as f64,
            "{python}: {others}; {walk:#}"
        );
    }
}

#[test]
fn holes_in_the_c_librarys_heap_are_told_too() {
    if !can_trace("free-malloc") {
        return;
    }
    for python in with_pools() {
        let traced = Traced::of(&python, ["few", "2000", "15000"], &["make"]);
        let (copied, walk) = (traced.copied(), traced.walk());
        assert!(copied > 10_000, "{python}: {copied}");
        let free = traced.free("malloc", "copied_pages");
        assert!(
            free as f64 >= 0.95 * copied as f64,
            "{python}: {copied}; {walk:#}"
        );
    }
}
