//! The part of a run that belongs to one of its targets.

use std::collections::HashSet;

use super::{Run, Sample};

impl Run {
    /// What belongs to a target, by its place; the machine and losses are of all.
    #[must_use]
    pub fn of_target(&self, target: u32) -> Self {
        let mut part = self.clone();
        let memory = &mut part.memory;
        memory.processes.retain(|it| it.target == Some(target));
        let ids: HashSet<u32> = memory.processes.iter().map(|it| it.id).collect();
        memory.regions.retain(|it| ids.contains(&it.process_id));
        memory.rows.retain(|it| ids.contains(&it.process_id));
        memory
            .command_lines
            .retain(|it| ids.contains(&it.process_id));
        for sample in &mut memory.timeline.samples {
            sample.keep(&ids);
        }
        let growth = &mut part.growth;
        growth
            .first_touches
            .retain(|it| ids.contains(&it.process_id));
        growth.held_before.retain(|it| ids.contains(&it.process_id));
        growth.balances.retain(|it| ids.contains(&it.process_id));
        growth.growers.retain(|it| ids.contains(&it.process_id));
        let regions: HashSet<u32> = part.memory.regions.iter().map(|it| it.id).collect();
        let is_in = |region: Option<u32>| region.is_some_and(|id| regions.contains(&id));
        part.who_wrote.writers.retain(|it| is_in(it.region_id));
        part
    }
}

impl Sample {
    /// Leaves these processes, and their sums.
    fn keep(&mut self, ids: &HashSet<u32>) {
        self.by_process.retain(|id, _| ids.contains(id));
        self.held_by_process.retain(|id, _| ids.contains(id));
        self.touched_by_process.retain(|id, _| ids.contains(id));
        self.copied_pages = self.by_process.values().sum();
        self.touched_pages = self.touched_by_process.values().sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::arbitrary;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_of_all_targets_are_the_whole(run in arbitrary::run()) {
            let targets: HashSet<Option<u32>> =
                run.memory.processes.iter().map(|it| it.target).collect();
            let copied = |part: &Run| part.copied().total();
            let parts = targets.iter().flatten().map(|target| run.of_target(*target));
            let without: u64 = run
                .memory
                .processes
                .iter()
                .filter(|it| it.target.is_none())
                .map(|it| it.copied.total())
                .sum();
            let sum: u64 = parts.map(|part| copied(&part)).sum();
            prop_assert_eq!(sum + without, copied(&run));
        }
    }
}
