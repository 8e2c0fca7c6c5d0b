//! Verdicts on services whose memory does what is known: each verdict on several, of other sizes and with
//! other numbers of workers, all traced at the same time by a tracer of their own.

mod plans;

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
};

use cowtrace_tests::{
    pagemap::{Frames, anonymous_pages, changed, frames, settled},
    python,
    report::{Report, address, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use plans::{PLANTED, Planted};
use serde_json::Value;

const SERVICE: &str = include_str!("planted.py");

const PAGE: u64 = 4096;
const PAGES_PER_MIB: u64 = 256;
/// Pages that a process may copy or touch beside what it was told to: the interpreter's own.
const OF_PYTHON: u64 = 1_000;
/// What a thread may touch that builds and frees lists of 3 MiB each second, and keeps the last.
const OF_ARENA: u64 = 12 * PAGES_PER_MIB;
/// What a program that is started in a trace writes of its own files as it is loaded, 355 pages of this
/// Python: not filled with zeros, they are no first touches, and count as there before.
const OF_PROGRAM: u64 = 400;
/// What a report says may differ from page frames by one in so many.
const ONE_IN: u64 = 100;
/// And by this many pages a process, by kernels whose counters lag: 32 pages for each of 4 processors.
const LAG: u64 = 128;

/// Whose traces start: one for each.
static TURNS: [Mutex<()>; 4] = [const { Mutex::new(()) }; 4];

/// What may be said instead where nothing grew.
const BESIDE: [&str; 4] = ["kernel-memory", "shared-memory", "page-cache", "elsewhere"];

impl Planted {
    /// A number of the plan, or 0.
    fn number(&self, key: &str) -> u64 {
        let words = self.plan.split(' ').filter_map(|word| word.split_once('='));
        let mut found = words.filter(|(word, _)| *word == key);
        found.next().map_or(0, |(_, number)| {
            // Seconds may have a decimal, which no check needs.
            let whole = number.split('.').next().unwrap_or_default();
            whole.parse().expect("a number")
        })
    }

    /// Traces the service, and compares the report with what is known.
    fn check(&self) {
        let mut service = Service::start(
            Command::new(python())
                .args(["-c", SERVICE])
                .args(self.plan.split(' ')),
        );
        let ready = service.answer();
        let before = Held::of(&processes(service.pid(), &ready));
        let pid = service.pid().to_string();
        // A few at a time: on a busy machine, the service would not start with the trace.
        let lane = &TURNS[usize::try_from(service.pid()).expect("a pid") % TURNS.len()];
        let turn = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let tracer = Tracer::start(&["--pid", &pid, "-d", self.seconds]);
        service.say("go");
        drop(turn);
        let report = tracer.wait();
        if self.number("recycle") > 0 {
            self.check_recycled(&report, &ready);
        } else {
            let done = service.answer();
            let after = Held::of(&processes(service.pid(), &done));
            self.check_books(&report, &before, &after);
        }
        service.end();
        self.check_verdict(&report);
    }

    fn check_verdict(&self, report: &Report) {
        let verdict = &report.0["verdict"];
        println!("{}\n    {}", self.plan, verdict["headline"]);
        assert_eq!(
            verdict["kind_of_processes"], self.kind,
            "{}: {verdict}",
            self.plan
        );
        assert!(
            self.number("shared") == 0 || verdict["kind"] != self.kind,
            "{}: {verdict}",
            self.plan
        );
        if verdict["kind"] != self.kind {
            // Where the service stays as it is, others on the machine may not: those of the other tests grow.
            assert_eq!(self.kind, "nothing-grew", "{}: {verdict}", self.plan);
            if self.number("shared") > 0 {
                self.check_shared(report);
                return;
            }
            let is_beside = |kind: &&str| verdict["kind"] == **kind;
            assert!(BESIDE.iter().any(is_beside), "{}: {verdict}", self.plan);
            return;
        }
        let headline = verdict["headline"].as_str().expect("words");
        assert!(
            headline.starts_with(self.headline),
            "{}: {headline}",
            self.plan
        );
    }

    /// Shared memory that the service filled is called that, and is its own.
    fn check_shared(&self, report: &Report) {
        let verdict = &report.0["verdict"];
        assert_eq!(verdict["kind"], "shared-memory", "{}: {verdict}", self.plan);
        let headline = verdict["headline"].as_str().expect("words");
        assert!(headline.starts_with(self.headline), "{headline}");
        let beside = &report.0["machine"]["growth"]["beside"];
        let planted = (self.number("shared") * self.number("workers")) << 20;
        let own = number(beside, "services_shared_bytes");
        // The first reading may come some time after the start (on a busy machine 84 % were seen); and another process
        // may give back some.
        let least = planted / 4 * 3;
        assert!(
            (least..=planted + (1 << 20)).contains(&own),
            "{}: {own} of {planted}",
            self.plan
        );
    }

    /// Copies and new memory by the frames of each process, and first touches by those it counted itself.
    fn check_books(&self, report: &Report, before: &Held, after: &Held) {
        let plan = self.plan;
        for (pid, frames) in &before.frames {
            let truth = changed(frames, &after.frames[pid]);
            let images = report.images(*pid);
            let counted: u64 = images.iter().map(|it| number(it, "copied_pages")).sum();
            println!("{plan}: {pid} copied {counted}, by frames {truth}");
            // Memory that is freed and allocated again is in other frames without a copy; and what a process
            // copies again after each fork is in one other frame at the end.
            if self.number("threads") + self.number("helpers") == 0 {
                expect_close(counted, truth, LAG, &format!("{plan}: copied by {pid}"));
            }
        }
        let grown = |(pid, pages): (&u32, &u64)| {
            pages.saturating_sub(before.pages.get(pid).copied().unwrap_or(0))
        };
        let new: u64 = after.pages.iter().map(grown).sum();
        let started = after.pages.len() - before.pages.len();
        let said = number(&report.0["verdict"], "new_bytes") / PAGE;
        let lag = LAG * after.pages.len() as u64 + OF_PROGRAM * started as u64;
        println!("{plan}: new {said}, by frames {new}");
        expect_close(said, new, lag, &format!("{plan}: new memory"));
        let bursts = self.number("burst") * PAGES_PER_MIB * self.number("bursts");
        let planted = match self.number("peaks") {
            0 => bursts,
            _ => bursts / 2 + self.number("burst") * PAGES_PER_MIB / 2,
        } * self.number("workers");
        let touched = number(&report.0["verdict"], "touched_bytes") / PAGE;
        let of_arenas = self.number("threads") * self.number("workers") * OF_ARENA;
        let most = planted + new + of_arenas + OF_PYTHON * after.pages.len() as u64;
        println!("{plan}: touched {touched} of {planted} to {most}");
        assert!(
            (planted..=most).contains(&touched),
            "{plan}: {touched} touched, {planted} planted, {new} new"
        );
    }

    /// Each worker that has ended copied all that it was to copy, and only those of one moment hold it.
    fn check_recycled(&self, report: &Report, ready: &Value) {
        if self.number("grow") > 0 {
            return self.check_lives(report);
        }
        let each = self.number("copy") * PAGES_PER_MIB;
        let start = number(ready, "start");
        let of_workers = report.0["regions"].as_array().expect("regions").iter();
        let copied: u64 = of_workers
            .filter(|region| {
                let bounds = address(&region["start"]).zip(address(&region["end"]));
                bounds.is_some_and(|(first, end)| first <= start && start < end)
            })
            .map(|region| number(region, "copied_pages"))
            .sum();
        let all = report.processes().iter();
        let workers: Vec<_> = all.filter(|it| it["role"] == "worker").collect();
        let ended = workers.iter().filter(|it| it["exited_ns"].is_u64()).count() as u64;
        let possible = ended * each..=workers.len() as u64 * each;
        println!("{}: {copied} of {possible:?}", self.plan);
        assert!(
            possible.contains(&copied),
            "{}: {copied}, {possible:?}",
            self.plan
        );
        assert!(
            ended > 10 * self.number("workers"),
            "{}: {ended}",
            self.plan
        );
        let peak = number(&report.0["verdict"], "peak_held_bytes") / PAGE;
        let living = self.number("workers");
        let at_once = living * each..=living * (each + OF_PYTHON);
        println!("{}: peak {peak} of {at_once:?}", self.plan);
        assert!(
            at_once.contains(&peak),
            "{}: {peak}, {at_once:?}",
            self.plan
        );
    }
}

impl Planted {
    /// What workers grow by until they are replaced. They are looked at each second: of what they got in the last
    /// one, and in as much again on a busy machine, nothing is known.
    fn check_lives(&self, report: &Report) {
        let lives = &report.0["verdict"]["until_replaced"];
        let (grown, life) = (self.number("grow") * PAGES_PER_MIB, self.number("recycle"));
        let said = number(lives, "new_bytes") / PAGE;
        let possible = grown * (life - 2) / life..=grown + OF_PYTHON;
        println!("{}: {said} of {possible:?} in {lives}", self.plan);
        assert!(possible.contains(&said), "{}: {lives}", self.plan);
        let least = 2 * self.number("workers");
        assert!(number(lives, "replaced") >= least, "{lives}");
        assert_eq!(number(lives, "living"), self.number("workers"), "{lives}");
    }
}

#[track_caller]
fn expect_close(said: u64, truth: u64, lag: u64, what: &str) {
    let most = (truth / ONE_IN).max(lag);
    assert!(
        said.abs_diff(truth) <= most,
        "{what}: {said}, by frames {truth}"
    );
}

/// What processes hold.
struct Held {
    frames: BTreeMap<u32, BTreeMap<u64, Frames>>,
    /// Anonymous pages.
    pages: BTreeMap<u32, u64>,
}

impl Held {
    fn of(pids: &[u32]) -> Self {
        for pid in pids {
            drop(settled(*pid));
        }
        Self {
            frames: pids.iter().map(|pid| (*pid, frames(*pid))).collect(),
            pages: pids
                .iter()
                .map(|pid| (*pid, anonymous_pages(*pid)))
                .collect(),
        }
    }
}

/// The processes that a service has by its answer.
fn processes(master: u32, answer: &Value) -> Vec<u32> {
    let workers = answer["workers"].as_array().expect("workers").iter();
    let pids = workers.flat_map(|worker| [&worker["pid"], &worker["started"]]);
    let pids = pids.filter_map(Value::as_u64);
    let pids = pids.map(|pid| u32::try_from(pid).expect("a pid"));
    std::iter::once(master).chain(pids).collect()
}

/// Checks services at the same time; returns the plans of those that failed.
fn failed_together(planted: &[&'static Planted]) -> Vec<&'static str> {
    thread::scope(|scope| {
        let start = |planted: &&'static Planted| {
            let planted = *planted;
            (planted.plan, scope.spawn(|| planted.check()))
        };
        let running: Vec<_> = planted.iter().map(start).collect();
        let ended = running.into_iter();
        ended
            .filter_map(|(plan, thread)| thread.join().is_err().then_some(plan))
            .collect()
    })
}

#[test]
fn each_verdict_is_right_on_services_that_are_known() {
    if !can_trace("verdicts") {
        return;
    }
    // The machine counts the shared memory of all together: one that ends takes from what another one gets.
    let fills_shared = |planted: &&Planted| planted.number("shared") > 0;
    let (of_shared, others): (Vec<_>, Vec<_>) = PLANTED.iter().partition(fills_shared);
    let mut failed = failed_together(&[others.as_slice(), &of_shared[..1]].concat());
    for planted in &of_shared[1..] {
        failed.extend(failed_together(&[planted]));
    }
    assert!(
        failed.is_empty(),
        "{} of {}: {failed:#?}",
        failed.len(),
        PLANTED.len()
    );
}
