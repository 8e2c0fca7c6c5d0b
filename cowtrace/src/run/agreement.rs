//! Runs of tests, made to agree with themselves: a run's sums are those of its ranges, its processes are
//! younger than their parents, and nothing is after its end.

use super::{Row, Run, Sources};

/// The run with the sums that its ranges have. Ranges of regions that are not there have no copies.
pub(crate) fn agreeing(mut run: Run) -> Run {
    let regions: Vec<u32> = run.memory.regions.iter().map(|region| region.id).collect();
    for row in &mut run.memory.rows {
        if row.region_id.is_some_and(|id| !regions.contains(&id)) {
            row.copied = Sources::default();
        }
    }
    let sum = |is_counted: &dyn Fn(&Row) -> bool| {
        let mut sum = Sources::default();
        for row in run.memory.rows.iter().filter(|row| is_counted(row)) {
            sum.add(&row.copied);
        }
        sum
    };
    for process in &mut run.memory.processes {
        process.copied = sum(&|row| row.process_id == process.id);
    }
    for region in &mut run.memory.regions {
        let copied = sum(&|row| row.region_id == Some(region.id));
        region.copied_pages = copied.total();
        region.unshared_pages = copied.total() - copied.zero;
    }
    in_time(run)
}

fn in_time(mut run: Run) -> Run {
    for process in &mut run.memory.processes {
        process.parent_id = process.parent_id.filter(|parent| *parent < process.id);
        let started_ns = process.started_ns;
        process.exited_ns = process.exited_ns.map(|at_ns| at_ns.max(started_ns));
    }
    let processes = run.memory.processes.iter();
    let of_processes = processes.map(|process| process.exited_ns.unwrap_or(process.started_ns));
    let of_samples = run
        .memory
        .timeline
        .samples
        .iter()
        .map(|sample| sample.at_ns);
    let of_machine = run.machine.readings.iter().map(|reading| reading.at_ns);
    let last_ns = of_processes
        .chain(of_samples)
        .chain(of_machine)
        .max()
        .unwrap_or(0);
    run.head.duration_ns = run.head.duration_ns.max(last_ns);
    run
}
