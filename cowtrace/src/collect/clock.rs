//! Time since the start of a trace, by the clock of the kernel side.

/// When the trace began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started_ns: u64,
}

impl Clock {
    /// Begins now.
    pub(super) fn start() -> Self {
        Self {
            started_ns: monotonic_ns(),
        }
    }

    /// Time since the start, ns.
    pub(super) fn elapsed_ns(self) -> u64 {
        self.since_start(monotonic_ns())
    }

    /// A time of [`monotonic_ns`] as time since the start, ns; 0 if it was before.
    pub(super) const fn since_start(self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.started_ns)
    }
}

/// `CLOCK_MONOTONIC`, ns: the clock of the kernel side (`bpf_ktime_get_ns`).
pub(super) fn monotonic_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| {
        u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000
            + u64::try_from(now.tv_nsec()).unwrap_or(0)
    })
}
