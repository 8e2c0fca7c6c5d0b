//! How long the live view takes with many workers: prints the time of taking in a moment and of drawing a frame, both
//! in microseconds, medians. Arguments: number of workers, frames.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use cowtrace::{
    live::{Look, Picture},
    run::{HeldBefore, Kind, Mapping, Process, Region, Role, Row, Run, Sample, Sources},
};

const PAGE: u64 = 4_096;
const START: u64 = 0x10_0000;
/// Pages that each worker inherits.
const INHERITED: u64 = 25_600;
/// Samples of the timeline: as many as a trace keeps at most.
const SAMPLES: u64 = 120;
/// Processes that each sample names.
const IN_SAMPLE: u32 = 500;

fn process(id: u32, role: Role, pages: u64) -> Process {
    let is_worker = role == Role::Worker;
    Process {
        id,
        pid: 1_000 + id,
        parent_id: is_worker.then_some(1),
        comm: "gunicorn".into(),
        role,
        target: None,
        started_ns: u64::from(is_worker) * 1_000,
        exited_ns: None,
        exit: None,
        copied: Sources {
            anon: pages,
            ..Sources::default()
        },
        reused_faults: 0,
        inherited_pages: is_worker.then_some(INHERITED),
    }
}

/// A master with workers, each of which copied something in four places of its heap.
fn run(workers: u32) -> Run {
    let mut run = Run::default();
    run.head.host.page_bytes = PAGE;
    run.head.backend = "tracepoint".into();
    run.head.duration_ns = SAMPLES * 1_000_000_000;
    run.memory.range_bytes = 16 * PAGE;
    let memory = &mut run.memory;
    memory.processes.push(process(1, Role::Master, 0));
    for id in 2..workers + 2 {
        let pages = u64::from(id % 997) + 4;
        memory.processes.push(process(id, Role::Worker, pages));
        let places = 0..4;
        memory.rows.extend(places.map(|place| Row {
            process_id: id,
            region_id: Some(0),
            start: Some(START + (u64::from(id % 256) * 4 + place) * 16 * PAGE),
            mapping: None,
            copied: Sources {
                anon: pages / 4,
                ..Sources::default()
            },
            reused_faults: 0,
        }));
    }
    let copied = memory.processes.iter().map(|it| it.copied.anon).sum();
    memory.regions.push(Region {
        id: 0,
        process_id: 1,
        mapping: Mapping {
            start: START,
            end: START + INHERITED * PAGE,
            name: "[heap]".into(),
            kind: Kind::Heap,
            perms: "rw-p".into(),
            offset: 0,
            resident_pages: INHERITED,
            anonymous_pages: INHERITED,
            huge_page_bytes: 0,
            mergeable: false,
        },
        inheritors: workers.into(),
        inherited_pages: INHERITED * u64::from(workers),
        copied_pages: copied,
        unshared_pages: copied,
    });
    let ids = || 1..=IN_SAMPLE.min(workers);
    memory.timeline.samples = (0..=SAMPLES)
        .map(|second| Sample {
            at_ns: second * 1_000_000_000,
            copied_pages: copied * second / SAMPLES,
            by_process: ids().map(|id| (id, second)).collect(),
            held_by_process: ids().map(|id| (id, INHERITED + second)).collect(),
            ..Sample::default()
        })
        .collect();
    let held = memory.processes.iter().map(|it| HeldBefore {
        process_id: it.id,
        pages: INHERITED,
    });
    run.growth.held_before = held.collect();
    run
}

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, Duration::as_micros)
}

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number = |otherwise| {
        let given = arguments.next().and_then(|it| it.parse().ok());
        given.unwrap_or(otherwise)
    };
    let (workers, frames) = (number(10_000), number(100));
    let run = Arc::new(run(workers));
    let look = Look {
        color: true,
        utf8: true,
    };
    let mut picture = Picture::new(look, 120, 40);
    let (mut moments, mut drawn) = (Vec::new(), Vec::new());
    for _ in 0..frames {
        let begun = Instant::now();
        picture.take(Arc::clone(&run));
        moments.push(begun.elapsed());
        picture.press('j');
        let begun = Instant::now();
        picture.draw();
        drawn.push(begun.elapsed());
    }
    let last = format!("{} of {}", frames + 1, workers + 1);
    let is_drawn = picture.lines().iter().any(|line| line.contains(&last));
    assert!(is_drawn, "the selected row is on the screen");
    println!("{} {}", median(moments), median(drawn));
}
