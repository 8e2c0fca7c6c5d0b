//! What stands in the head of any run.

use proptest::{collection::btree_map, collection::vec, prelude::*};

use super::{
    super::{Head, Host, PerfMapProblem, Run, UntracedDonor},
    loss,
    machine::machine,
    timeline,
    values::{count, date, text, traced_targets},
    who::without_names,
};

fn perf_map_problem() -> impl Strategy<Value = PerfMapProblem> {
    let problem = (any::<u32>(), text());
    problem.prop_map(|(pid, problem)| PerfMapProblem { pid, problem })
}

fn untraced_donor() -> impl Strategy<Value = UntracedDonor> {
    let donor = (any::<u32>(), any::<u32>(), text(), any::<bool>());
    donor.prop_map(|(pid, donor_pid, donor_comm, is_parent)| UntracedDonor {
        pid,
        donor_pid,
        donor_comm,
        is_parent,
    })
}

/// What stands in the head of a run.
pub(super) fn head() -> impl Strategy<Value = Run> {
    (
        (text(), text(), date()),
        [text(), text(), text()],
        (12..=16u32, 0..=14u32, 1..4096usize),
        count(),
        any::<bool>(),
        vec(text(), 0..3),
        vec((text(), text()), 0..3),
        (vec(any::<u32>(), 0..4), vec(untraced_donor(), 0..3)),
        btree_map(text(), text(), 0..4),
        (
            (loss(), timeline(), machine()),
            vec(perf_map_problem(), 0..3),
            without_names(),
        ),
    )
        .prop_map(
            |(
                (tool_version, id, started_at),
                [backend, kernel, arch],
                (page, range, cpus),
                duration_ns,
                unfinished,
                unseen,
                rejected,
                (targets, untraced_donors),
                labels,
                ((loss, timeline, machine), perf_map_problems, (unnamed_functions, stripped_files)),
            )| {
                let traced_targets = traced_targets(&id);
                let head = Head {
                    tool_version,
                    host: Host {
                        kernel,
                        arch,
                        page_bytes: 1 << page,
                        cpus,
                    },
                    id,
                    started_at,
                    duration_ns,
                    unfinished,
                    backend,
                    unseen,
                    rejected,
                    targets,
                    untraced_donors,
                    traced_targets,
                    labels,
                };
                let mut run = Run::new(head, 1 << (page + range), 0);
                run.memory.timeline = timeline;
                run.machine = machine;
                run.who_wrote.perf_map_problems = perf_map_problems;
                run.who_wrote.unnamed_functions = unnamed_functions;
                run.who_wrote.stripped_files = stripped_files;
                run.loss = loss;
                run
            },
        )
}
