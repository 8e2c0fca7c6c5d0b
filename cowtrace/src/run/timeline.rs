//! How the counts grew: a bounded series of samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Samples kept at most. When they are full, every other one goes and the interval doubles.
const MAX_SAMPLES: usize = 2_048;

/// Counts of processes in all of them together at most, under 40 MiB: when there are more, the same is
/// done. At least 4 samples are left, since a run has at most 81,920 processes.
const MAX_COUNTS: usize = 1 << 20;

/// Samples at equal distances, and one at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Time between samples, ns.
    pub interval_ns: u64,
    /// The samples, oldest first.
    pub samples: Vec<Sample>,
}

/// Counts since the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// When, ns since the start.
    pub at_ns: u64,
    /// Pages copied so far.
    pub copied_pages: u64,
    /// Write faults that copied nothing so far.
    pub reused_faults: u64,
    /// Pages copied so far by process id of the run; processes without copies left out.
    pub by_process: BTreeMap<u32, u64>,
    /// Pages touched for the first time so far.
    #[serde(default)]
    pub touched_pages: u64,
    /// Anonymous pages that each living process has, by its id of the run, as last read; shared ones count
    /// for each that has them.
    #[serde(default)]
    pub held_by_process: BTreeMap<u32, u64>,
    /// Pages touched for the first time so far by process id of the run; those without left out, and empty in
    /// recordings of versions that counted only all together.
    #[serde(default)]
    pub touched_by_process: BTreeMap<u32, u64>,
}

impl Sample {
    /// Counts of processes in it.
    fn counts(&self) -> usize {
        self.by_process.len() + self.held_by_process.len() + self.touched_by_process.len()
    }
}

impl Timeline {
    /// An empty timeline with this distance between samples.
    #[must_use]
    pub const fn new(interval_ns: u64) -> Self {
        Self {
            interval_ns,
            samples: Vec::new(),
        }
    }

    /// Adds a sample, unless its place is taken since the interval grew. Returns how many samples
    /// were merged for it.
    pub fn push(&mut self, sample: Sample) -> u64 {
        // Ticks jitter; a sample counts as due at nine tenths of the interval.
        let due = self
            .samples
            .last()
            .is_none_or(|last| sample.at_ns - last.at_ns >= self.interval_ns / 10 * 9);
        if !due {
            return 0;
        }
        self.samples.push(sample);
        let pushed = self.samples.len();
        while self.is_full() {
            self.thin_out();
        }
        (pushed - self.samples.len()) as u64
    }

    fn is_full(&self) -> bool {
        let counts = self.samples.iter().map(Sample::counts);
        self.samples.len() >= MAX_SAMPLES
            || self.samples.len() > 1 && counts.sum::<usize>() > MAX_COUNTS
    }

    /// Gives up every other sample, not the last.
    fn thin_out(&mut self) {
        let mut left = self.samples.len();
        self.samples.retain(|_| {
            left -= 1;
            left.is_multiple_of(2)
        });
        self.interval_ns *= 2;
    }

    /// Pages that a process had copied at a time, ns since the start; between two samples in proportion.
    #[must_use]
    pub fn copied_at(&self, process_id: u32, at_ns: u64) -> u64 {
        let later = self.samples.partition_point(|it| it.at_ns <= at_ns);
        let at = |index: usize| {
            let sample = self.samples.get(index)?;
            let pages = sample.by_process.get(&process_id).copied().unwrap_or(0);
            Some((sample.at_ns, pages))
        };
        let (begun, before) = later.checked_sub(1).and_then(at).unwrap_or((0, 0));
        let Some((end, after)) = at(later) else {
            return before;
        };
        let more = u128::from(after.saturating_sub(before)) * u128::from(at_ns - begun)
            / u128::from((end - begun).max(1));
        before + u64::try_from(more).unwrap_or(u64::MAX)
    }

    /// Adds the last sample, whatever its distance.
    pub fn finish(&mut self, sample: Sample) {
        self.samples.retain(|earlier| earlier.at_ns < sample.at_ns);
        self.samples.push(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_between_two_samples_are_in_proportion() {
        let mut timeline = Timeline::new(10);
        for (at_ns, pages) in [(10, 100), (20, 300)] {
            timeline.finish(Sample {
                at_ns,
                by_process: [(7, pages)].into(),
                ..Sample::default()
            });
        }
        let copied = [0, 5, 10, 15, 20, 99].map(|at_ns| timeline.copied_at(7, at_ns));
        assert_eq!(copied, [0, 50, 100, 200, 300, 300]);
        assert_eq!(timeline.copied_at(8, 15), 0);
    }

    #[test]
    fn a_long_run_keeps_a_bounded_number_of_equally_spaced_samples() {
        let mut timeline = Timeline::new(1_000);
        let mut merged = 0;
        for at in 1..=10_000u64 {
            merged += timeline.push(Sample {
                at_ns: at * 1_000,
                copied_pages: at,
                ..Sample::default()
            });
        }
        assert!(timeline.samples.len() < MAX_SAMPLES);
        assert!(merged > 0);
        let distances: Vec<_> = timeline
            .samples
            .windows(2)
            .map(|pair| pair[1].at_ns - pair[0].at_ns)
            .collect();
        assert!(
            distances
                .iter()
                .all(|&distance| distance == timeline.interval_ns),
            "{distances:?}"
        );
    }
    #[test]
    fn many_processes_leave_fewer_samples_which_tell_of_all_of_them() {
        const PROCESSES: u32 = 50_000;
        let mut timeline = Timeline::new(1_000);
        let mut merged = 0;
        let mut last = Sample::default();
        for at in 1..=100u64 {
            last = Sample {
                at_ns: at * 1_000,
                copied_pages: at * u64::from(PROCESSES),
                reused_faults: 0,
                by_process: (0..PROCESSES).map(|process| (process, at)).collect(),
                ..Sample::default()
            };
            merged += timeline.push(last.clone());
            let counts: usize = timeline.samples.iter().map(|it| it.by_process.len()).sum();
            assert!(counts <= MAX_COUNTS, "{counts}");
        }
        let kept = timeline.samples.len();
        assert!(kept >= 10, "{kept} samples");
        assert!(merged > 0);
        assert!(
            timeline
                .samples
                .iter()
                .all(|sample| { sample.by_process.values().sum::<u64>() == sample.copied_pages })
        );
        let distances = timeline.samples.windows(2);
        let mut distances = distances.map(|pair| pair[1].at_ns - pair[0].at_ns);
        assert!(distances.all(|distance| distance == timeline.interval_ns));
        timeline.finish(last.clone());
        assert_eq!(timeline.samples.last(), Some(&last));
    }
}
