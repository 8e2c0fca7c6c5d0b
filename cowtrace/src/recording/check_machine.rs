//! Checks of what a file says about the machine.

use super::{columns::Damage, sums::PagesThatFit};
use crate::run::Run;

/// As in the check of other times.
const NOTICED_LATE_NS: u64 = 10_000_000_000;

/// Refuses readings that are out of order, and sums that reports cannot calculate with.
pub(super) fn check_machine(run: &Run) -> Result<(), Damage> {
    let fits = PagesThatFit::in_run(run);
    let end_ns = run.head.duration_ns.saturating_add(NOTICED_LATE_NS);
    let mut before_ns = 0;
    for reading in &run.machine.readings {
        if reading.at_ns < before_ns {
            return Err(Damage("machine: a reading is out of order".into()));
        }
        if reading.at_ns > end_ns {
            let after = "machine: a reading is after the end of the run";
            return Err(Damage(after.into()));
        }
        before_ns = reading.at_ns;
    }
    let mut kills = run.machine.kills.iter();
    if !kills.all(|kill| run.process(kill.process_id).is_some()) {
        return Err(Damage("memory_kills: one of no process".into()));
    }
    let elsewhere = run.machine.elsewhere.iter();
    let mut pages = elsewhere.flat_map(|all| {
        let growers = all.growers.iter();
        let growers = growers.flat_map(|it| [it.grown_pages, it.consumer.anonymous_pages]);
        growers.chain([all.grown_pages])
    });
    fits.check("machine_growers", &mut pages)
}
