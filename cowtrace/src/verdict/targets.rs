//! What became of each target of a run.

use super::growth::{growth_of_tree, verdict_in_words};
use crate::run::{Role, Run, TracedTarget};

/// A target, and what its processes did.
pub(crate) struct TargetSummary<'a> {
    pub(crate) target: &'a TracedTarget,
    /// Processes that were found for it.
    pub(crate) masters: usize,
    pub(crate) workers: usize,
    /// By both of them.
    pub(crate) copied_bytes: u64,
    /// The verdict on its processes alone; `None` if there were none, or nobody looked.
    pub(crate) verdict: Option<String>,
}

/// The first `most` targets of a run, in the order in which they were given; none in recordings of versions that did
/// not name them.
pub(crate) fn summaries_of_targets(run: &Run, most: usize) -> Vec<TargetSummary<'_>> {
    let targets = (0..).zip(&run.head.traced_targets).take(most);
    let summary = |(place, target)| {
        let part = run.of_target(place);
        let masters = part.memory.processes.iter();
        let masters = masters.filter(|it| it.role == Role::Master).count();
        let growth = growth_of_tree(&part).filter(|_| masters > 0);
        TargetSummary {
            target,
            masters,
            workers: part.workforce().workers.len(),
            copied_bytes: part.bytes(part.copied().total()),
            verdict: growth.map(|growth| verdict_in_words(&part, &growth)),
        }
    };
    targets.map(summary).collect()
}
