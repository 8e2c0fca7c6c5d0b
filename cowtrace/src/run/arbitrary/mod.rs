//! Any run, for tests of what runs go through: of every shape that tracing can give, and small.

mod grown;
mod head;
mod machine;
mod values;
mod who;

use proptest::{collection::btree_map, collection::vec, option, prelude::*};

use super::{
    Balance, BalanceIs, CommandLine, FirstTouches, Head, HeldBefore, Host, Kind, Loss, Mapping,
    PageBalance, Process, Region, Role, Row, Run, Sample, Sources, Stack, Timeline, WhoHolds,
    agreement::agreeing,
};
use grown::grown_beside;
use head::head;
use machine::{exit, kills};
use values::{TARGETS, count, text};
use who::{frames, growers, heaps, native_frames, stacks, writer};

fn sources() -> impl Strategy<Value = Sources> {
    [count(), count(), count(), count(), count(), count()].prop_map(
        |[anon, file, zero, ksm, hugetlb, unknown]| Sources {
            anon,
            file,
            zero,
            ksm,
            hugetlb,
            unknown,
        },
    )
}

fn process() -> impl Strategy<Value = Process> {
    (
        any::<u32>(),
        option::of(0..8u32),
        text(),
        prop::sample::select(Role::ALL.to_vec()),
        (count(), option::of((count(), option::of(exit())))),
        sources(),
        count(),
        option::of(count()),
    )
        .prop_map(
            |(pid, parent_id, comm, role, (started_ns, exited), copied, reused, inherited)| {
                Process {
                    id: 0,
                    pid,
                    parent_id,
                    comm,
                    role,
                    started_ns,
                    exited_ns: exited.map(|(at, _)| at),
                    exit: exited.and_then(|(_, exit)| exit),
                    copied,
                    reused_faults: reused,
                    inherited_pages: inherited,
                    target: (pid % 2 == 0).then_some(pid % TARGETS),
                }
            },
        )
}

fn mapping() -> impl Strategy<Value = Mapping> {
    // Up to the end of the address space, where the kernel's own mappings are.
    let start = prop_oneof![0..(1u64 << 47), Just(u64::MAX - (1 << 20))];
    (
        (start, 1..256u64),
        text(),
        prop::sample::select(Kind::ALL.to_vec()),
        prop::sample::select(vec!["rw-p", "r-xp", "rw-s"]),
        any::<u64>(),
        [count(), count(), count()],
        any::<bool>(),
    )
        .prop_map(
            |((start, pages), name, kind, perms, offset, counts, mergeable)| {
                let start = start & !4095;
                Mapping {
                    start,
                    end: start + pages * 4096,
                    name,
                    kind,
                    perms: perms.into(),
                    offset,
                    resident_pages: counts[0],
                    anonymous_pages: counts[1],
                    huge_page_bytes: counts[2],
                    mergeable,
                }
            },
        )
}

fn region() -> impl Strategy<Value = Region> {
    (0..8u32, mapping(), [count(), count(), count(), count()]).prop_map(
        |(process_id, mapping, [inheritors, inherited_pages, copied_pages, unshared_pages])| {
            Region {
                id: 0,
                process_id,
                mapping,
                inheritors,
                inherited_pages,
                copied_pages,
                unshared_pages,
            }
        },
    )
}

/// Rows of the first `processes` processes, each place once, in order.
fn rows(processes: u32) -> impl Strategy<Value = Vec<Row>> {
    let place = (
        0..processes,
        option::weighted(0.8, 0..64u64),
        option::weighted(0.8, 0..8u32),
    );
    let counts = (option::of(text()), sources(), count());
    btree_map(place, counts, 0..40).prop_map(|rows| {
        let mut rows: Vec<Row> = rows
            .into_iter()
            .map(
                |((process_id, start, region_id), (mapping, copied, reused_faults))| Row {
                    process_id,
                    region_id,
                    start: start.map(|number| 0x7f00_0000_0000 + (number << 16)),
                    mapping: mapping.filter(|_| region_id.is_none()),
                    copied,
                    reused_faults,
                },
            )
            .collect();
        rows.sort_by_key(Row::place);
        rows
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let by_process = || btree_map(0..6u32, 1..4u64, 0..4);
    let counts = [by_process(), by_process(), by_process()];
    (count(), count(), count(), counts).prop_map(
        |(more, reused_faults, touched_pages, [by_process, held, touched])| Sample {
            at_ns: 0,
            copied_pages: by_process.values().sum::<u64>() + more,
            reused_faults,
            by_process,
            touched_pages,
            held_by_process: held,
            touched_by_process: touched,
        },
    )
}

/// First touches of some of `processes` processes.
fn first_touches(processes: Vec<u32>) -> impl Strategy<Value = Vec<FirstTouches>> {
    let kind = option::of(prop::sample::select(Kind::ALL.to_vec()));
    let most = processes.len().min(1) * 5;
    let place = 0..processes.len().max(1);
    vec((place, kind, count()), 0..=most).prop_map(move |touches| {
        let touches = touches.into_iter();
        let touches = touches.map(|(place, kind, pages)| FirstTouches {
            process_id: processes[place],
            kind,
            pages,
        });
        touches.collect()
    })
}

fn timeline() -> impl Strategy<Value = Timeline> {
    (1..1u64 << 40, vec(sample(), 0..12)).prop_map(|(interval_ns, mut samples)| {
        for (at_ns, sample) in (0..).step_by(1_000).zip(&mut samples) {
            sample.at_ns = at_ns;
        }
        Timeline {
            interval_ns,
            samples,
        }
    })
}

fn loss() -> impl Strategy<Value = Loss> {
    vec(count(), Loss::CAUSES.len()).prop_map(|counts| {
        let mut loss = Loss::default();
        for (cause, count) in Loss::CAUSES.iter().zip(counts) {
            (cause.set)(&mut loss, count);
        }
        loss
    })
}

/// Gives serial numbers, with gaps as they have where something is left out.
fn number<T>(items: &mut [T], gaps: &[bool], id: impl Fn(&mut T) -> &mut u32) {
    let mut next = 0;
    for (item, gap) in items.iter_mut().zip(gaps.iter().cycle()) {
        next += u32::from(*gap);
        *id(item) = next;
        next += 1;
    }
}

fn uncounted(processes: &[Process]) -> Vec<u32> {
    let is_it = |process: &&Process| process.copied.anon.is_multiple_of(3);
    processes.iter().filter(is_it).map(|it| it.id).collect()
}

/// Any run.
pub(crate) fn run() -> impl Strategy<Value = Run> {
    let items = (
        vec(process(), 0..6),
        vec(region(), 0..8),
        (frames(), native_frames()),
        vec(any::<bool>(), 1..9),
    );
    (head(), items)
        .prop_flat_map(|(mut run, (mut processes, mut regions, frames, gaps))| {
            number(&mut processes, &gaps, |process| &mut process.id);
            number(&mut regions, &gaps, |region| &mut region.id);
            let (python_frames, native_frames) = frames;
            let stacks = (stacks(python_frames.len()), stacks(native_frames.len()));
            run.machine.kills = kills(&processes);
            run.memory.command_lines = processes
                .iter()
                .filter(|process| process.reused_faults.is_multiple_of(2))
                .map(|process| CommandLine {
                    process_id: process.id,
                    text: format!("{} --port", process.comm),
                })
                .collect();
            run.memory.uncounted = uncounted(&processes);
            run.memory.processes = processes;
            run.memory.regions = regions;
            run.who_wrote.python_frames = python_frames;
            run.who_wrote.native_frames = native_frames;
            let count = u32::try_from(run.memory.processes.len()).unwrap();
            let rows = if count == 0 {
                Just(Vec::new()).boxed()
            } else {
                rows(count).boxed()
            };
            (Just(run), stacks, rows)
        })
        .prop_flat_map(|(mut run, (python_stacks, native_stacks), mut rows)| {
            for row in &mut rows {
                row.process_id = run.memory.processes[row.process_id as usize].id;
            }
            let regions = run.memory.regions.iter().map(|region| region.id).collect();
            let many = |stacks: &[Stack]| u32::try_from(stacks.len()).unwrap();
            let writer = writer(regions, many(&python_stacks), many(&native_stacks));
            run.memory.rows = rows;
            run.who_wrote.python_stacks = python_stacks;
            run.who_wrote.native_stacks = native_stacks;
            let processes: Vec<u32> = run
                .memory
                .processes
                .iter()
                .map(|process| process.id)
                .collect();
            let touches = first_touches(processes.clone());
            let who = &run.who_wrote;
            let (python, native) = (many(&who.python_stacks), many(&who.native_stacks));
            let growers = growers(processes.clone(), python, native);
            (
                Just(run),
                (vec(writer, 0..8), growers),
                heaps(processes),
                touches,
            )
        })
        .prop_map(
            |(mut run, (writers, growers), (holders, heap_walks), first_touches)| {
                run.growth.growers = growers;
                run.growth.held_before = first_touches
                    .iter()
                    .map(|it| HeldBefore {
                        process_id: it.process_id,
                        pages: it.pages,
                    })
                    .collect();
                run.growth.balances = first_touches
                    .iter()
                    .map(|it| Balance {
                        process_id: it.process_id,
                        at_ns: it.pages,
                        copied_pages: it.pages,
                        pages: PageBalance {
                            is: BalanceIs::ALL[usize::from(it.kind.is_none())],
                            unshared_pages: it.pages,
                            ..PageBalance::default()
                        },
                    })
                    .collect();
                run.growth
                    .balances
                    .sort_by_key(|it| (it.process_id, it.at_ns));
                run.growth.grown = grown_beside(&first_touches);
                run.growth.first_touches = first_touches;
                run.who_wrote.writers = writers;
                run.who_holds = WhoHolds {
                    holders,
                    heap_walks,
                };
                agreeing(run)
            },
        )
}

/// A run that says little.
pub(crate) fn empty() -> Run {
    let head = Head {
        tool_version: "0".into(),
        host: Host {
            kernel: "6.1".into(),
            arch: "x86_64".into(),
            page_bytes: 4096,
            cpus: 2,
        },
        id: "run".into(),
        started_at: "2026-11-23T12:00:00Z".into(),
        duration_ns: 1_000_000_000,
        backend: "tracepoint".into(),
        targets: vec![1],
        ..Head::default()
    };
    Run::new(head, 65_536, 0)
}
