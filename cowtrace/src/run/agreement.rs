//! Runs of tests, made to agree with themselves: a run's sums are those of its ranges.

use super::{Row, Run, Sources};

/// The run with the sums that its ranges have. Ranges of regions that are not there have no copies.
pub(crate) fn agreeing(mut run: Run) -> Run {
    let regions: Vec<u32> = run.regions.iter().map(|region| region.id).collect();
    for row in &mut run.rows {
        if row.region_id.is_some_and(|id| !regions.contains(&id)) {
            row.copied = Sources::default();
        }
    }
    let sum = |is_counted: &dyn Fn(&Row) -> bool| {
        let mut sum = Sources::default();
        for row in run.rows.iter().filter(|row| is_counted(row)) {
            sum.add(&row.copied);
        }
        sum
    };
    for process in &mut run.processes {
        process.copied = sum(&|row| row.process_id == process.id);
    }
    for region in &mut run.regions {
        let copied = sum(&|row| row.region_id == Some(region.id));
        region.copied_pages = copied.total();
        region.unshared_pages = copied.total() - copied.zero;
    }
    run
}
