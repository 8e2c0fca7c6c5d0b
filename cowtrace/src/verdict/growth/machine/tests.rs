//! Machines whose memory goes where it is known.

use super::{super::tests::*, super::*, *};
use crate::{
    run::{
        Balance, BalanceIs, CgroupMemory, Consumer, Elsewhere, GrownProcess, MachineMemory,
        NearestLimit, PageBalance, PlaceOnMachine, ServiceShared, SocketMemory,
    },
    verdict::{Card, MoreWorkers, Room, RoomIs},
};

const MIB: u64 = 1 << 20;
const SECOND: u64 = 1_000_000_000;

/// A service that copies `copied` MiB and gets `new` MiB in `seconds`, in a cgroup of its own, on a machine that is
/// read each second. `change` gets the share of the time.
fn machine(
    seconds: u64,
    (copied, new): (u64, u64),
    change: impl Fn(f64, &mut MachineReading),
) -> Run {
    let mut run = run(seconds, linear(copied), linear(new), new);
    run.machine.place = Some(PlaceOnMachine {
        cgroup: Some("/app".into()),
        is_alone: true,
        limit: None,
    });
    let reading = |at: u64| {
        let part = at as f64 / seconds as f64;
        let memory = MachineMemory {
            total_bytes: 8192 * MIB,
            free_bytes: 5000 * MIB,
            available_bytes: Some(6000 * MIB),
            anonymous_bytes: 1000 * MIB + mib(part, copied + new),
            ..MachineMemory::default()
        };
        let mut reading = MachineReading {
            at_ns: at * SECOND,
            memory,
            cgroup: Some(CgroupMemory {
                kernel_bytes: Some(10 * MIB),
                sockets_bytes: Some(0),
                file_bytes: Some(50 * MIB),
                shmem_bytes: Some(0),
                ..CgroupMemory::default()
            }),
            sockets: Some(SocketMemory::default()),
            service: Some(ServiceAside::default()),
            shared: None,
        };
        change(part, &mut reading);
        reading.memory.free_bytes -= mib(part, copied + new);
        reading
    };
    run.machine.readings = (0..=seconds).map(reading).collect();
    run
}

fn mib(part: f64, mib: u64) -> u64 {
    (part * mib as f64) as u64 * MIB
}

fn growth(run: &Run) -> (TreeGrowth, String) {
    let growth = growth_of_tree(run).unwrap();
    (growth, verdict_in_words(run, &growth))
}

fn grower(name: &str, mib: u64) -> Elsewhere {
    let grown_pages = mib * 256;
    let consumer = Consumer {
        pid: 77,
        started_ticks: 5,
        name: name.into(),
        anonymous_pages: grown_pages,
    };
    Elsewhere {
        growers: vec![GrownProcess {
            consumer,
            grown_pages,
            is_new: false,
        }],
        grown_pages,
        processes: 9,
        is_partial: false,
    }
}

#[test]
fn the_parts_are_all_that_the_machine_lost() {
    let run = machine(30, (90, 10), |part, reading| {
        reading.memory.anonymous_bytes += mib(part, 40);
        reading.memory.cached_bytes += mib(part, 20);
        reading.memory.shmem_bytes += mib(part, 5);
        reading.memory.slab_bytes += mib(part, 7);
        reading.memory.free_bytes -= mib(part, 40 + 20 + 7 + 3);
    });
    let machine = growth(&run).0.machine.unwrap();
    // What nothing explains only grew, so that the start is the first reading.
    assert_eq!(machine.from_ns, 0);
    let part = (machine.to_ns - machine.from_ns) as f64 / (30 * SECOND) as f64;
    let sum: i64 = machine.parts().iter().map(|it| it.1).sum();
    assert_eq!(machine.used_bytes, sum);
    let expected = [100.0, 40.0, 15.0, 5.0, 7.0, 3.0].map(|mib| mib * part);
    for ((name, bytes), mib) in machine.parts().into_iter().zip(expected) {
        // Steps of 1 MiB, of each of two figures.
        assert!(
            (bytes as f64 / MIB as f64 - mib).abs() <= 2.0,
            "{name}: {bytes}, {mib} MiB"
        );
    }
}

#[test]
fn what_the_kernel_took_is_not_called_copy_on_write() {
    let kernel = |mib_in_all: u64| {
        move |part: f64, reading: &mut MachineReading| {
            reading.cgroup.as_mut().unwrap().kernel_bytes = Some(10 * MIB + mib(part, mib_in_all));
            reading.sockets.as_mut().unwrap().time_wait = (part * 20_000.0) as u64;
        }
    };
    let run = machine(30, (3, 2), kernel(60));
    let (found, words) = growth(&run);
    assert_eq!(found.kind, VerdictKind::KernelMemory);
    assert_eq!(found.kind_of_processes, VerdictKind::NothingGrew);
    // With those of 256 bytes each, which no cgroup counts.
    let expected = "KERNEL MEMORY, NOT YOUR PROCESSES: 64.9 MiB in 30.0 s; your processes: 5 MiB";
    assert_eq!(words, expected);
    let card = Card::of(&run);
    let named: Vec<_> = card.beside.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(named, ["other objects of the kernel"]);
    // Beside more copies it is an aside; beside many it is not worth a word.
    let aside = machine(30, (90, 2), kernel(60));
    assert_eq!(growth(&aside).0.kind, VerdictKind::CopyOnWrite);
    assert_eq!(Card::of(&aside).beside.len(), 1);
    let little = machine(30, (90, 2), kernel(6));
    assert_eq!(Card::of(&little).beside.len(), 0);
    // Too short for a verdict.
    let soon = machine(10, (3, 2), kernel(60));
    assert_eq!(growth(&soon).0.kind, VerdictKind::NothingGrew);
}

#[test]
fn buffers_that_no_cgroup_counts_are_those_of_the_machine() {
    let mut run = machine(30, (1, 1), |part, reading| {
        reading.cgroup.as_mut().unwrap().sockets_bytes = None;
        reading.sockets.as_mut().unwrap().tcp_bytes = mib(part, 30);
    });
    let (found, words) = growth(&run);
    assert_eq!(found.kind, VerdictKind::KernelMemory);
    assert!(
        words.starts_with("KERNEL MEMORY OF THE MACHINE GREW: 30 MiB in "),
        "{words}"
    );
    assert_eq!(Card::of(&run).beside[0].what, "buffers of sockets");
    // Where the cgroup counts them, those of others are not its.
    for reading in &mut run.machine.readings {
        reading.cgroup.as_mut().unwrap().sockets_bytes = Some(0);
    }
    assert_eq!(growth(&run).0.kind, VerdictKind::NothingGrew);
}

#[test]
fn page_tables_of_forks_are_named() {
    let mut run = machine(30, (1, 1), |part, reading| {
        reading.service.as_mut().unwrap().page_tables_bytes = mib(part, 40);
        reading.cgroup.as_mut().unwrap().kernel_bytes = Some(MIB + mib(part, 44));
    });
    let card = Card::of(&run);
    assert_eq!(card.beside[0].what, "page tables of your processes");
    assert_eq!(card.beside[0].bytes, Some(40 * MIB));
    // Of a part of the processes nothing is said.
    for reading in &mut run.machine.readings {
        reading.service.as_mut().unwrap().is_partial = true;
    }
    let beside = growth(&run).0.machine.unwrap().beside;
    assert_eq!(
        (beside.page_tables_bytes, beside.kernel_bytes),
        (None, 44 * MIB)
    );
}

#[test]
fn files_are_named_only_if_nothing_else_grew() {
    let reads = |part: f64, reading: &mut MachineReading| {
        reading.cgroup.as_mut().unwrap().file_bytes = Some(mib(part, 80));
    };
    let (found, words) = growth(&machine(30, (1, 2), reads));
    assert_eq!(found.kind, VerdictKind::PageCache);
    let expected = "PAGE CACHE, WHICH CAN BE GIVEN BACK: 80 MiB in 30.0 s; your processes: 3 MiB";
    assert_eq!(words, expected);
    let growing = machine(30, (1, 60), reads);
    assert_eq!(growth(&growing).0.kind, VerdictKind::Growing);
    let copied = machine(30, (50, 1), reads);
    assert_eq!(growth(&copied).0.kind, VerdictKind::CopyOnWrite);
}

#[test]
fn of_the_whole_machine_only_much_is_a_finding() {
    let files = |mib_in_all: u64| {
        let mut run = machine(30, (1, 1), |part, reading| {
            reading.memory.cached_bytes = mib(part, mib_in_all);
        });
        run.machine.place.as_mut().unwrap().is_alone = false;
        growth(&run)
    };
    assert_eq!(files(60).0.kind, VerdictKind::NothingGrew);
    let (found, words) = files(70);
    assert_eq!(found.kind, VerdictKind::PageCache);
    assert!(
        words.starts_with("PAGE CACHE OF THE MACHINE, WHICH CAN BE GIVEN BACK: 70 "),
        "{words}"
    );
}

#[test]
fn shared_memory_that_the_service_fills_is_its_own() {
    // Two processes have all of `theirs` MiB, while the machine's shared memory grows by `all`.
    let run = |all: u64, theirs: u64| {
        let mut run = machine(30, (0, 0), |part, reading| {
            reading.cgroup = None;
            reading.memory.shmem_bytes = 100 * MIB + mib(part, all);
            reading.memory.cached_bytes = 200 * MIB + mib(part, all);
            reading.memory.free_bytes -= mib(part, all);
            reading.shared = Some(ServiceShared {
                sum_bytes: 2 * (MIB + mib(part, theirs)),
                most_bytes: MIB + mib(part, theirs),
            });
        });
        run.machine.elsewhere = Some(grower("compiler", 300));
        run
    };
    let (found, words) = growth(&run(30, 30));
    assert_eq!(found.kind, VerdictKind::SharedMemory);
    assert_eq!(
        found.machine.unwrap().beside.services_shared_bytes,
        30 * MIB
    );
    let expected = "SHARED MEMORY GREW: 30 MiB in 30.0 s, in this service; no private memory grew";
    assert_eq!(words, expected);
    let (_, words) = growth(&run(200, 60));
    let expected = "SHARED MEMORY GREW: 200 MiB in 30.0 s, 120 MiB of it in this service; no private memory grew";
    assert_eq!(words, expected);
    // To map what is there makes no memory.
    assert_eq!(growth(&run(0, 60)).0.kind, VerdictKind::NothingGrew);
}

#[test]
fn others_grew_by_what_both_they_and_the_machine_say() {
    let mut run = machine(30, (1, 1), |part, reading| {
        reading.memory.anonymous_bytes += mib(part, 120);
    });
    assert_eq!(growth(&run).0.machine.unwrap().beside.elsewhere_bytes, None);
    assert_eq!(growth(&run).0.kind, VerdictKind::NothingGrew);
    run.machine.elsewhere = Some(grower("java\u{1b}", 500));
    let (found, words) = growth(&run);
    assert_eq!(found.kind, VerdictKind::Elsewhere);
    let expected = "ELSEWHERE ON THE MACHINE: 120 MiB in 30.0 s; your processes: 2 MiB";
    assert_eq!(words, expected);
    assert_eq!(Card::of(&run).beside[0].what, "java\\u{1b} (77)");
    run.machine.elsewhere = Some(grower("java", 30));
    assert_eq!(growth(&run).0.kind, VerdictKind::NothingGrew);
}

#[test]
fn what_is_left_is_the_less_of_limit_and_machine() {
    let mut run = machine(30, (50, 1), |_, _| {});
    let available = Room {
        bytes: 6000 * MIB,
        is: RoomIs::Available,
    };
    assert_eq!(Room::of(&run), Some(available));
    let limit = NearestLimit {
        limit_bytes: 400 * MIB,
        usage_bytes: Some(300 * MIB),
        file_bytes: Some(80 * MIB),
        cgroup: None,
    };
    run.machine.place.as_mut().unwrap().limit = Some(limit);
    let left = Room {
        bytes: 180 * MIB,
        is: RoomIs::Limit,
    };
    assert_eq!(Room::of(&run), Some(left));
    run.machine.place = None;
    assert_eq!(Room::of(&run), None);
}

#[test]
fn what_is_in_swap_and_what_needs_more_rights_is_said() {
    let mut run = machine(30, (50, 1), |part, reading| {
        reading.service.as_mut().unwrap().swapped_bytes = mib(part, 12);
    });
    let said = |run: &Run, words: &str| {
        crate::verdict::main_facts(run)
            .iter()
            .any(|it| it.contains(words))
    };
    let in_swap = |of: &str| format!("{of} of the processes' memory is in swap");
    assert!(said(&run, &in_swap("12 MiB")));
    for reading in &mut run.machine.readings {
        reading.service = None;
    }
    assert!(!said(&run, "in swap"));
    // By page tables, where nobody read more.
    let balance = |is| Balance {
        process_id: 1,
        at_ns: 30 * SECOND,
        copied_pages: 0,
        pages: PageBalance {
            is,
            swapped_pages: 512,
            ..PageBalance::default()
        },
    };
    run.growth.balances = vec![balance(BalanceIs::Exact)];
    assert!(said(&run, &in_swap("2 MiB")) && !said(&run, "CAP_SYS_ADMIN"));
    run.growth.balances = vec![balance(BalanceIs::Coarse)];
    assert!(said(
        &run,
        "The kernel showed no page frames (that takes CAP_SYS_ADMIN)"
    ));
}

/// As many as there are processors, if these are more; all of the master and of each worker is its own.
#[test]
fn the_size_of_more_workers_is_bounded_by_the_largest() {
    let mut run = machine(30, (50, 3), |_, _| {});
    let more = |run: &Run| Card::of(run).outlook.unwrap().more_workers;
    // The series has 100 MiB of the master and 103 of the worker, which still grows.
    let expected = |workers: u64| {
        Some(MoreWorkers {
            each_bytes: 103 * MIB,
            workers,
            all_bytes: (100 + workers * 103) * MIB,
        })
    };
    assert_eq!(more(&run), expected(2));
    run.head.host.cpus = 8;
    assert_eq!(more(&run), expected(8));
    run.head.host.cpus = 1;
    assert_eq!(more(&run), expected(2));
    let growing = machine(30, (50, 80), |_, _| {});
    assert_eq!(more(&growing), None);
}
