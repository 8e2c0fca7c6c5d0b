//! How processes ended, as far as that is no ordinary end.

use std::collections::BTreeMap;

use crate::{
    run::{Ending, Exit, KilledBy, Process, Role, Run},
    words::{plural, printable, program_of, shorten, size},
};

/// Most failed masters, and most ways in which workers ended, that are named.
const MOST_ENDINGS: usize = 3;
/// Longer names of programs are cut.
const MAX_NAME: usize = 32;

/// Likewise of cgroups, whose ends say more than their beginnings.
const MAX_CGROUP: usize = 40;

/// How failed masters ended, and how many workers were killed by what, a sentence each. A worker that exits by
/// itself has done as it was told, whatever its status.
pub(super) fn failures_in_words(run: &Run) -> Vec<String> {
    let failed = run.memory.processes.iter().filter_map(|process| {
        let exit = process.exit.filter(Exit::is_failure)?;
        Some((process, exit))
    });
    let (masters, workers): (Vec<_>, Vec<_>) =
        failed.partition(|(process, _)| process.role == Role::Master);
    let masters = masters.into_iter().map(|(process, exit)| {
        let name = shorten(&program_of(run, process), MAX_NAME);
        format!("{name} ({}) {}.", process.pid, exit.in_words())
    });
    let mut killed: BTreeMap<String, u64> = BTreeMap::new();
    for (_, exit) in workers {
        if matches!(exit.ending, Ending::Signal(_)) {
            *killed.entry(exit.in_words()).or_default() += 1;
        }
    }
    let workers = killed.into_iter().map(|(how, number)| match number {
        1 => format!("1 worker {how}."),
        number => format!("{number} workers {}.", how.replacen("was", "were", 1)),
    });
    masters
        .take(MOST_ENDINGS)
        .chain(workers.take(MOST_ENDINGS))
        .collect()
}

/// Processes of the tree that the kernel killed for lack of memory.
pub(super) fn victims(run: &Run) -> Vec<&Process> {
    let is_victim = |process: &&Process| process.exit.is_some_and(|exit| exit.out_of_memory);
    run.memory.processes.iter().filter(is_victim).collect()
}

/// Those in words; none if there are none.
pub(super) fn killed_for_memory(run: &Run) -> Option<String> {
    let victims = victims(run);
    let masters = victims.iter().filter(|it| it.role == Role::Master).count();
    let workers = victims.len() - masters;
    let of = |number: usize, what: &str| (number > 0).then(|| plural(number as u64, what));
    let who: Vec<String> = [of(masters, "master"), of(workers, "worker")]
        .into_iter()
        .flatten()
        .collect();
    if let Some(by) = one_cause(run, &victims) {
        return (!who.is_empty()).then(|| format!("{} {by}", who.join(" and ")));
    }
    let place = run.machine.place.as_ref();
    let limit = place.and_then(|it| it.limit.as_ref()).map(|limit| {
        let bytes = size(limit.limit_bytes);
        format!("; the service's cgroup is limited to {bytes}")
    });
    (!who.is_empty()).then(|| {
        format!(
            "{} by the kernel, for lack of memory{}",
            who.join(" and "),
            limit.unwrap_or_default()
        )
    })
}

/// For lack of whose memory all of them were killed; `None` if that is not known of each, or differs.
fn one_cause(run: &Run, victims: &[&Process]) -> Option<String> {
    let kills = &run.machine.kills;
    let cause = |victim: &&Process| {
        let kill = kills.iter().find(|kill| kill.process_id == victim.id);
        kill.map(|kill| &kill.by)
    };
    let mut causes = victims.iter().map(cause);
    let first = causes.next()??;
    causes.all(|by| by == Some(first)).then(|| match first {
        KilledBy::Machine => "by the kernel: the machine had no memory left".into(),
        KilledBy::Limit {
            cgroup,
            limit_bytes,
        } => {
            let of = cgroup.as_deref().map_or_else(
                || "a cgroup".into(),
                |cgroup| format!("the cgroup {}", shorten(&printable(cgroup), MAX_CGROUP)),
            );
            let bytes = limit_bytes.map_or_else(String::new, |it| format!(" ({})", size(it)));
            format!("by the limit of {of}{bytes}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::MemoryKill;

    fn with_exits(exits: &[(Role, Ending, bool)]) -> Run {
        let mut run: Run =
            serde_json::from_str(include_str!("../../../tests/tests/runs/service.json")).unwrap();
        let sample = run.memory.processes[0].clone();
        run.memory.processes = (0..)
            .zip(exits)
            .map(|(id, &(role, ending, out_of_memory))| Process {
                id,
                pid: 100 + id,
                role,
                comm: "app".into(),
                exited_ns: Some(1),
                exit: Some(Exit {
                    ending,
                    out_of_memory,
                    with_trace: false,
                    oom_kills: 0,
                }),
                ..sample.clone()
            })
            .collect();
        run
    }

    #[test]
    fn masters_are_named_and_workers_counted_by_what_killed_them() {
        let run = with_exits(&[
            (Role::Master, Ending::Status(3), false),
            (Role::Worker, Ending::Status(1), false),
            (Role::Worker, Ending::Signal(9), true),
            (Role::Worker, Ending::Signal(9), true),
            (Role::Worker, Ending::Signal(11), false),
            (Role::Worker, Ending::Signal(15), false),
        ]);
        assert_eq!(
            failures_in_words(&run),
            [
                "app (100) exited with status 3.",
                "2 workers were killed by SIGKILL for lack of memory.",
                "1 worker was killed by SIGSEGV.",
            ]
        );
        assert_eq!(
            killed_for_memory(&run).as_deref(),
            Some("2 workers by the kernel, for lack of memory")
        );
    }

    #[test]
    fn it_is_said_whose_memory_was_missing_where_that_is_known_of_all() {
        let mut run = with_exits(&[
            (Role::Master, Ending::Signal(9), true),
            (Role::Worker, Ending::Signal(9), true),
        ]);
        let kill = |process_id, by| MemoryKill { process_id, by };
        let limit = KilledBy::Limit {
            cgroup: Some("/pods/app".into()),
            limit_bytes: Some(256 << 20),
        };
        run.machine.kills = vec![kill(0, limit.clone())];
        let plain = "1 master and 1 worker by the kernel, for lack of memory";
        assert_eq!(killed_for_memory(&run).as_deref(), Some(plain));
        run.machine.kills.push(kill(1, limit));
        assert_eq!(
            killed_for_memory(&run).as_deref(),
            Some("1 master and 1 worker by the limit of the cgroup /pods/app (256 MiB)")
        );
        run.machine.kills[0].by = KilledBy::Machine;
        assert_eq!(killed_for_memory(&run).as_deref(), Some(plain));
        run.machine.kills[1].by = KilledBy::Machine;
        let machine = "1 master and 1 worker by the kernel: the machine had no memory left";
        assert_eq!(killed_for_memory(&run).as_deref(), Some(machine));
    }

    #[test]
    fn nobody_is_called_killed_for_memory_without_the_kernels_word() {
        let run = with_exits(&[(Role::Worker, Ending::Signal(9), false)]);
        assert_eq!(killed_for_memory(&run), None);
        assert_eq!(failures_in_words(&run), ["1 worker was killed by SIGKILL."]);
    }
}
