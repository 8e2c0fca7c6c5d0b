//! How the counts grew: a bounded series of samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Samples kept at most. When they are full, every other one goes and the interval doubles.
const MAX_SAMPLES: usize = 2_048;

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
    /// were given up for it.
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
        if self.samples.len() < MAX_SAMPLES {
            return 0;
        }
        let before = self.samples.len();
        let mut index = 0;
        self.samples.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        self.interval_ns *= 2;
        (before - self.samples.len()) as u64
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
}
