//! Workers by slot instead of pid: a worker gets the lowest slot that is free, so that recycling adds no series.

use std::collections::{BTreeMap, HashSet};

/// The slots of a target's living workers.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The worker in each, by its serial number.
    taken: BTreeMap<usize, u32>,
}

impl Slots {
    /// Gives each of the living workers, in their order, one of the `slots`, and keeps those that they have. Returns
    /// who is in which.
    pub(super) fn assign(&mut self, living: &[u32], slots: usize) -> &BTreeMap<usize, u32> {
        let lives: HashSet<u32> = living.iter().copied().collect();
        self.taken.retain(|_, worker| lives.contains(worker));
        let placed: HashSet<u32> = self.taken.values().copied().collect();
        let mut waiting = living.iter().filter(|worker| !placed.contains(worker));
        for slot in 0..slots {
            if self.taken.contains_key(&slot) {
                continue;
            }
            let Some(worker) = waiting.next() else { break };
            self.taken.insert(slot, *worker);
        }
        &self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_keeps_its_slot_and_a_new_one_gets_the_lowest_free() {
        let mut slots = Slots::default();
        let assigned = |slots: &mut Slots, living: &[u32]| {
            let all = slots.assign(living, 3).iter();
            all.map(|(slot, worker)| (*slot, *worker))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            assigned(&mut slots, &[7, 8, 9, 10]),
            [(0, 7), (1, 8), (2, 9)]
        );
        assert_eq!(assigned(&mut slots, &[7, 9, 10]), [(0, 7), (1, 10), (2, 9)]);
        assert_eq!(assigned(&mut slots, &[11]), [(0, 11)]);
    }
}
