//! When a walk has to end.

use std::time::{Duration, Instant};

use crate::stop::Stop;

/// Steps between checks of the clock. A step takes less than a microsecond, or some milliseconds if
/// each word of an object has to be looked up.
const STEPS: u32 = 64;

/// The limits of a walk.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    at: Instant,
    stop: Stop,
    max_bytes: u64,
    steps: u32,
    /// Whether a limit was reached.
    pub(super) is_over: bool,
    /// Whether that limit was the time.
    pub(super) is_out_of_time: bool,
}

impl Deadline {
    pub(super) fn new(time: Duration, max_bytes: u64) -> Self {
        Self {
            at: Instant::now() + time,
            stop: Stop::default(),
            max_bytes,
            steps: 0,
            is_over: false,
            is_out_of_time: false,
        }
    }

    /// The same, but it is over, too, as soon as somebody wants no more.
    pub(super) fn or_at(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// Counts a step; true once the time is over or too much was read.
    #[inline]
    pub(super) fn step(&mut self, bytes_read: u64) -> bool {
        self.steps += 1;
        if self.steps >= STEPS {
            self.steps = 0;
            self.is_out_of_time |= Instant::now() > self.at || self.stop.is_due();
            self.is_over |= self.is_out_of_time || bytes_read > self.max_bytes;
        }
        self.is_over
    }
}
