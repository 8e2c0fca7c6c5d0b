//! Any readings of a machine.

use proptest::{collection::vec, option, prelude::*};

use super::values::{count, text};
use crate::run::{
    CgroupMemory, Consumer, Elsewhere, Ending, Exit, GrownProcess, KilledBy, Machine,
    MachineMemory, MachineReading, MemoryKill, NearestLimit, PlaceOnMachine, Process, ServiceAside,
    ServiceShared, SocketMemory,
};

/// Any machine, with readings in the order of time.
pub(super) fn machine() -> impl Strategy<Value = Machine> {
    let readings = vec(reading(), 0..8).prop_map(|mut readings| {
        for (at_ns, reading) in (0..).step_by(1_000_000_000).zip(&mut readings) {
            reading.at_ns = at_ns;
        }
        readings
    });
    (readings, option::of(place()), option::of(elsewhere())).prop_map(
        |(readings, place, elsewhere)| Machine {
            readings,
            place,
            elsewhere,
            kills: Vec::new(),
        },
    )
}

/// For lack of what those were killed that were.
pub(super) fn kills(processes: &[Process]) -> Vec<MemoryKill> {
    let killed = processes
        .iter()
        .filter(|it| it.exit.is_some_and(|exit| exit.out_of_memory));
    let kill = |process: &Process| MemoryKill {
        process_id: process.id,
        by: if process.reused_faults.is_multiple_of(2) {
            KilledBy::Machine
        } else {
            KilledBy::Limit {
                cgroup: process.pid.is_multiple_of(2).then(|| process.comm.clone()),
                limit_bytes: process
                    .pid
                    .is_multiple_of(3)
                    .then_some(process.reused_faults),
            }
        },
    };
    killed.map(kill).collect()
}

fn reading() -> impl Strategy<Value = MachineReading> {
    (
        memory(),
        option::of(sockets()),
        option::of(cgroup()),
        option::of(service()),
        option::of((count(), count())),
    )
        .prop_map(
            |(memory, sockets, cgroup, service, shared)| MachineReading {
                at_ns: 0,
                memory,
                sockets,
                cgroup,
                service,
                shared: shared.map(|(sum_bytes, most_bytes)| ServiceShared {
                    sum_bytes,
                    most_bytes,
                }),
            },
        )
}

fn memory() -> impl Strategy<Value = MachineMemory> {
    (vec(count(), 13), vec(option::of(count()), 5)).prop_map(|(always, some)| MachineMemory {
        total_bytes: always[0],
        free_bytes: always[1],
        per_cpu_lists_bytes: always[2],
        available_bytes: some[0],
        anonymous_bytes: always[3],
        cached_bytes: always[4],
        buffers_bytes: always[5],
        shmem_bytes: always[6],
        slab_bytes: always[7],
        slab_unreclaimable_bytes: always[8],
        page_tables_bytes: always[9],
        secondary_page_tables_bytes: some[1],
        percpu_bytes: some[2],
        vmalloc_bytes: always[10],
        hugetlb_bytes: some[3],
        zswap_bytes: some[4],
        swap_used_bytes: always[12],
    })
}

fn sockets() -> impl Strategy<Value = SocketMemory> {
    vec(count(), 7).prop_map(|it| SocketMemory {
        tcp_in_use: it[0],
        time_wait: it[1],
        tcp_orphaned: it[2],
        tcp_allocated: it[3],
        tcp_bytes: it[4],
        udp_bytes: it[5],
        fragments_bytes: it[6],
    })
}

fn cgroup() -> impl Strategy<Value = CgroupMemory> {
    vec(option::of(count()), 8).prop_map(|it| CgroupMemory {
        usage_bytes: it[0],
        anonymous_bytes: it[1],
        file_bytes: it[2],
        shmem_bytes: it[3],
        kernel_bytes: it[4],
        sockets_bytes: it[5],
        swap_bytes: it[6],
        oom_kills: it[7],
    })
}

fn service() -> impl Strategy<Value = ServiceAside> {
    ([count(), count(), count()], any::<bool>()).prop_map(|(it, is_partial)| ServiceAside {
        processes: it[0],
        is_partial,
        page_tables_bytes: it[1],
        swapped_bytes: it[2],
    })
}

fn place() -> impl Strategy<Value = PlaceOnMachine> {
    let limit = (
        count(),
        option::of(count()),
        option::of(count()),
        option::of(text()),
    );
    let limit = limit.prop_map(
        |(limit_bytes, usage_bytes, file_bytes, cgroup)| NearestLimit {
            limit_bytes,
            usage_bytes,
            file_bytes,
            cgroup,
        },
    );
    (option::of(text()), any::<bool>(), option::of(limit)).prop_map(|(cgroup, is_alone, limit)| {
        PlaceOnMachine {
            cgroup,
            is_alone,
            limit,
        }
    })
}

fn elsewhere() -> impl Strategy<Value = Elsewhere> {
    let grower = (
        any::<u32>(),
        text(),
        [count(), count(), count()],
        any::<bool>(),
    );
    let grower = grower.prop_map(|(pid, name, counts, is_new)| GrownProcess {
        consumer: Consumer {
            pid,
            started_ticks: counts[0],
            name,
            anonymous_pages: counts[1],
        },
        grown_pages: counts[2],
        is_new,
    });
    (vec(grower, 0..4), count(), count(), any::<bool>()).prop_map(
        |(growers, grown_pages, processes, is_partial)| Elsewhere {
            growers,
            grown_pages,
            processes,
            is_partial,
        },
    )
}

/// How a process ended.
pub(super) fn exit() -> impl Strategy<Value = Exit> {
    let ending = prop_oneof![
        any::<u8>().prop_map(Ending::Status),
        (1..=u8::MAX).prop_map(Ending::Signal)
    ];
    let flags = (any::<bool>(), any::<bool>());
    (ending, flags, count()).prop_map(|(ending, (out_of_memory, with_trace), oom_kills)| Exit {
        ending,
        out_of_memory,
        with_trace,
        oom_kills,
    })
}
