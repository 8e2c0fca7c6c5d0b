//! Runs whose true differences are known.

use serde_json::{Value, json};

use super::{
    compare::compare_runs,
    comparison::{Comparison, Error, Options},
    measure::Measured,
};
use crate::run::Run;

const PAGE: u64 = 4096;
const RANGE: u64 = 65_536;
const MIB: u64 = 1 << 20;

/// What a service does in a run.
#[derive(Clone)]
pub(super) struct Service {
    /// Seed: makes each run different.
    pub(super) id: u32,
    pub(super) workers: u64,
    /// What each worker copies of the titles, by reading them.
    pub(super) reference_pages: u64,
    /// What each worker copies of the comments, by running the collector.
    pub(super) gc_pages: u64,
    /// The ranges of the comments in which the copies begin.
    pub(super) first_range: u64,
    /// The name of the comments' mapping.
    pub(super) comments_are: &'static str,
    /// Added to all addresses.
    pub(super) slide: u64,
    /// The line that reads.
    pub(super) line: u32,
    pub(super) requests: Option<&'static str>,
    pub(super) duration_s: u64,
    pub(super) backend: &'static str,
    pub(super) range_bytes: u64,
    pub(super) has_writers: bool,
    pub(super) skipped: u64,
}

impl Service {
    pub(super) fn new(id: u32) -> Self {
        Self {
            id,
            workers: 4,
            reference_pages: 20_000,
            gc_pages: 8_000,
            first_range: 0,
            comments_are: "[anon]",
            slide: u64::from(id) << 24,
            line: 24,
            requests: None,
            duration_s: 60,
            backend: "trampoline",
            range_bytes: RANGE,
            has_writers: true,
            skipped: 0,
        }
    }

    pub(super) fn measured(&self) -> Measured {
        Measured::of(&self.run(), format!("{}.cow", self.id))
    }

    /// The run, as a recording would contain it.
    pub(super) fn run(&self) -> Run {
        serde_json::from_value(json!({
            "head": {
                "tool_version": "0.1.0",
                "host": {"kernel": "6.12.9", "arch": "x86_64", "page_bytes": PAGE, "cpus": 8},
                "id": format!("run-{}", self.id),
                "started_at": "2026-11-22T12:00:00.000Z",
                "duration_ns": self.duration_s * 1_000_000_000,
                "backend": self.backend,
                "targets": [4242],
                "labels": self.requests.map_or(json!({}), |it| json!({"requests": it})),
            },
            "memory": {
                "processes": self.processes(),
                "regions": self.regions(),
                "range_bytes": self.range_bytes,
                "rows": self.rows(),
                "timeline": {"interval_ns": 1_000_000_000, "samples": []},
            },
            "who_wrote": {
                "writers": self.writers(),
                "python_frames": [
                    {"function": "Handler.get", "file": "/srv/shop/views.py", "line": self.line},
                    {"function": "serve", "file": "/srv/shop/views.py", "line": self.line + 20},
                ],
                "python_stacks": if self.has_writers { json!([{"frames": [0, 1]}, {"frames": [1]}]) } else { json!([]) },
            },
            "who_holds": {},
            "loss": {"recursion_misses": self.skipped},
        }))
        .expect("a run")
    }

    fn processes(&self) -> Vec<Value> {
        let process = |id: u64, copied: u64| {
            json!({
                "id": id,
                "pid": 4242 + id,
                "parent_id": if id == 0 { None } else { Some(0) },
                "comm": "gunicorn",
                "role": if id == 0 { "master" } else { "worker" },
                "started_ns": 0,
                "exited_ns": null,
                "copied": pages(copied),
                "reused_faults": 0,
                "inherited_pages": if id == 0 { None } else { Some(80_000) },
            })
        };
        (0..=self.workers)
            .map(|id| {
                process(
                    id,
                    if id == 0 {
                        0
                    } else {
                        self.reference_pages + self.gc_pages
                    },
                )
            })
            .collect()
    }

    fn regions(&self) -> Vec<Value> {
        let region = |id: u32, name: &str, kind: &str, start: u64, mib: u64, copied: u64| {
            json!({
                "id": id,
                "process_id": 0,
                "mapping": {
                    "start": start + self.slide,
                    "end": start + self.slide + mib * MIB,
                    "name": name,
                    "kind": kind,
                    "perms": "rw-p",
                    "offset": 0,
                    "resident_pages": mib * MIB / PAGE,
                    "anonymous_pages": mib * MIB / PAGE,
                    "mergeable": false,
                },
                "inheritors": self.workers,
                "inherited_pages": self.workers * mib * MIB / PAGE,
                "copied_pages": copied * self.workers,
                "unshared_pages": copied * self.workers,
            })
        };
        vec![
            region(0, "[heap]", "heap", 0x5600_0000_0000, 16, 0),
            region(1, self.comments_are, "anon", COMMENTS, 64, self.gc_pages),
            region(2, "[anon]", "anon", TITLES, 128, self.reference_pages),
        ]
    }

    /// Copies fill the ranges one after the other.
    fn rows(&self) -> Vec<Value> {
        let in_range = self.range_bytes / PAGE;
        let mut rows = Vec::new();
        for worker in 1..=self.workers {
            for (region, start, first, copied) in [
                (1, COMMENTS, self.first_range, self.gc_pages),
                (2, TITLES, 0, self.reference_pages),
            ] {
                for range in 0..copied.div_ceil(in_range) {
                    rows.push(json!({
                        "process_id": worker,
                        "region_id": region,
                        "start": start + self.slide + (first + range) * self.range_bytes,
                        "mapping": null,
                        "copied": pages((copied - range * in_range).min(in_range)),
                        "reused_faults": 0,
                    }));
                }
            }
        }
        rows
    }

    fn writers(&self) -> Vec<Value> {
        if !self.has_writers {
            return Vec::new();
        }
        let writer = |kind: &str, name: &str, function: &str, stack: u32, copied: u64| {
            json!({
                "kind": kind,
                "type_name": name,
                "function": function,
                "module": "python3.12",
                "system_call": null,
                "python_stack": stack,
                "copied_pages": copied * self.workers,
            })
        };
        vec![
            writer("refcount", "str", "unicode_hash", 0, self.reference_pages),
            writer("gc", "Comment", "gc_collect_main", 1, self.gc_pages),
        ]
    }
}

const COMMENTS: u64 = 0x7f00_0000_0000;
const TITLES: u64 = 0x7f10_0000_0000;

fn pages(anon: u64) -> Value {
    json!({"anon": anon, "file": 0, "zero": 0, "ksm": 0, "hugetlb": 0, "unknown": 0})
}

/// `SplitMix64`, made normal by the Box-Muller method: the same numbers each time.
pub(super) struct Noise(pub(super) u64);

impl Noise {
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Values around a mean with this relative spread, log-normal.
    pub(super) fn around(&mut self, number: usize, mean: f64, spread: f64) -> Vec<f64> {
        let mut normal = || {
            let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.uniform()).cos()
        };
        (0..number)
            .map(|_| mean * (spread * normal()).exp())
            .collect()
    }
}

pub(super) fn with(
    services: &[Service],
    others: &[Service],
    options: Options,
) -> Result<Comparison, Error> {
    let measured = |side: &[Service]| side.iter().map(Service::measured).collect();
    compare_runs(measured(services), measured(others), options)
}

#[track_caller]
pub(super) fn between(base: &[Service], new: &[Service]) -> Comparison {
    with(base, new, Options::default()).unwrap()
}

pub(super) fn per_request(base: &[Service], new: &[Service]) -> Result<Comparison, Error> {
    let options = Options {
        per: Some("requests".into()),
        fail_above: None,
    };
    with(base, new, options)
}

/// Runs of a service, each with a seed of its own.
pub(super) fn runs(first: u32, number: u32, change: impl Fn(u32, &mut Service)) -> Vec<Service> {
    let service = |index: u32| {
        let mut service = Service::new(first + index);
        change(index, &mut service);
        service
    };
    (0..number).map(service).collect()
}

/// With `gc.freeze()` the collector copies nothing.
pub(super) fn frozen(first: u32, number: u32) -> Vec<Service> {
    runs(first, number, |index, service| {
        service.gc_pages = 0;
        service.reference_pages += u64::from(index) * 11;
    })
}

pub(super) fn plain(first: u32, number: u32) -> Vec<Service> {
    runs(first, number, |index, service| {
        service.reference_pages += u64::from(index) * 7;
    })
}
