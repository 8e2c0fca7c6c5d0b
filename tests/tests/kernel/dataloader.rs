//! What the example of a data loader shows: workers that read a list of dicts copy it, and those that read the same
//! packed into bytes copy nothing of it. Counts are compared with page frames, and with what the kernel says that each
//! worker has for itself.

use std::{collections::BTreeMap, process::Command};

use cowtrace_tests::{
    pagemap::{anonymous_frames, settled},
    python,
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/dataloader_workers.py"
);
const WORKERS: usize = 4;
const ITEMS: u64 = 200_000;
/// An item has at least a dict of 184 bytes, four floats of 24, a list of 88, a file name of 75 and an id of 28, on pages
/// that each worker copies whole.
const ITEM_BYTES: u64 = 184 + 4 * 24 + 88 + 75 + 28;
/// Of all items, each worker reads half: a quarter in each of two epochs. Pages that have none of them stay shared.
const LEAST_SHARE: f64 = 0.6;
const PAGE: u64 = 4096;
/// New memory of a worker while it reads, and copies of the interpreter's own: 500 pages at most.
const OWN_PAGES: u64 = 500;

/// A trace of workers that read, as one form of the data.
struct Traced {
    report: Report,
    /// By page frames, of each worker: its pid, and pages that are in another frame.
    moved: Vec<(u32, u64)>,
    /// Bytes that each worker has more for itself, by the kernel.
    own: Vec<u64>,
}

impl Traced {
    fn of(form: &str) -> Self {
        let mut command = Command::new(python());
        command
            .args(["-B", SCRIPT, form, "--hold"])
            .args(["--items", &ITEMS.to_string()])
            .args(["--workers", &WORKERS.to_string()]);
        let mut service = Service::start(&mut command);
        let workers: Vec<u32> = numbers(&service.answer()["workers"]);
        let before: Vec<_> = workers.iter().map(|pid| at_rest(*pid)).collect();
        let tracer = Tracer::of(service.pid());
        service.say("");
        let own = numbers(&service.answer()["own"]);
        let master = anonymous_frames(service.pid());
        let pairs = workers.iter().zip(&before);
        let moved = pairs.map(|(pid, before)| (*pid, moved(before, &at_rest(*pid), &master)));
        let moved = moved.collect();
        // While the workers live, the master's variables are those that they read.
        let report = tracer.stop();
        service.say("");
        service.end();
        Self { report, moved, own }
    }

    /// The pages that each worker copied, after they were compared with its frames.
    #[track_caller]
    fn copied(&self, form: &str) -> Vec<u64> {
        assert_eq!(self.report.losses().get("threads_full"), None);
        let copied = self.moved.iter().map(|(pid, moved)| {
            let copied = number(self.report.images(*pid)[0], "copied_pages");
            println!("{form}: {copied} pages of {pid} counted, {moved} in another frame");
            // What is given back and touched again is in another frame without a copy.
            assert!(copied.abs_diff(*moved) * 200 <= *moved + 2000, "{pid}");
            copied
        });
        copied.collect()
    }
}

/// A frame of each page, by its address.
type Frames = BTreeMap<u64, u64>;

/// The frames of a worker that waits, or is about to.
fn at_rest(pid: u32) -> Frames {
    let _ = settled(pid);
    anonymous_frames(pid)
}

/// Pages in another frame than before. Where the master has the same one, the kernel has moved a page that both share.
fn moved(before: &Frames, after: &Frames, master: &Frames) -> u64 {
    let is_own = |(address, frame): &(&u64, &u64)| {
        let now = after.get(*address);
        now.is_some_and(|now| now != *frame && master.get(*address) != Some(now))
    };
    before.iter().filter(is_own).count() as u64
}

fn numbers<T: TryFrom<u64>>(list: &Value) -> Vec<T> {
    let list = list.as_array().expect("a list").iter();
    let numbers = list.map(|it| T::try_from(it.as_u64().expect("a number")).ok());
    numbers.map(|it| it.expect("it fits")).collect()
}

#[test]
fn workers_that_read_a_list_copy_it_and_those_that_read_an_array_do_not() {
    if !can_trace("dataloader") {
        return;
    }
    let (list, array) = (Traced::of("list"), Traced::of("array"));
    let least = (ITEMS * ITEM_BYTES / PAGE) as f64 * LEAST_SHARE;
    for (pages, own) in list.copied("list").into_iter().zip(&list.own) {
        assert!(pages as f64 >= least, "{pages} pages of {least} copied");
        // All that the kernel says the worker has more is its copies, and a little new memory.
        let own = own / PAGE;
        assert!(
            own + 8 >= pages && own <= pages + OWN_PAGES,
            "{own} pages by the kernel, {pages} copied"
        );
    }
    for (pages, own) in array.copied("array").into_iter().zip(&array.own) {
        assert!(
            pages <= OWN_PAGES && own / PAGE <= 2 * OWN_PAGES,
            "{pages} pages copied, {own} bytes more"
        );
    }
    expect_named(&list.report);
}

/// The report names the script's functions that read, and the variable.
#[track_caller]
fn expect_named(report: &Report) {
    let all = report.written(|_| true);
    let by_reading = report.written(|writer| {
        let function = writer["python"][0]["function"].as_str();
        writer["kind"] == "refcount" && matches!(function, Some("used" | "Listed.__getitem__"))
    });
    assert!(
        by_reading as f64 > 0.9 * all as f64,
        "{by_reading} of {all} by reading; {}",
        report.top_writers()
    );
    let holders = report.0["holders"].as_array().expect("holders").iter();
    let mut of_items = holders.filter(|holder| holder["path"] == "__main__.data.items");
    let held = of_items.next().map(|holder| number(holder, "copied_pages"));
    assert!(
        held.is_some_and(|held| held as f64 > 0.9 * all as f64),
        "{held:?} of {all}: {}",
        report.0["holders"]
    );
}
