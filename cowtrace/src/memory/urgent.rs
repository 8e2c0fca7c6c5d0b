//! Priority for reads that hold a lock of another process's memory. If the reading thread had to
//! wait for a processor, the other process would wait too, for a whole turn of everything else on a
//! busy machine.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::libc;

/// How long to work at a time, and the pause afterwards, in which others get the processor.
const WORK: Duration = Duration::from_micros(300);
const PAUSE: Duration = Duration::from_micros(300);

/// Gives this thread priority over all ordinary ones until dropped, if permitted (`CAP_SYS_NICE`).
pub(super) struct Urgent {
    is_first: bool,
    since: Instant,
}

impl Urgent {
    pub(super) fn begin() -> Self {
        // SAFETY: reads this thread's own policy.
        let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        Self {
            is_first: policy == libc::c_long::from(libc::SCHED_OTHER)
                && set_schedule(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1),
            since: Instant::now(),
        }
    }

    /// Pauses if it is time to. Call it only while no lock is held.
    pub(super) fn pause(&mut self) {
        if self.is_first && self.since.elapsed() > WORK {
            thread::sleep(PAUSE);
            self.since = Instant::now();
        }
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        if self.is_first {
            set_schedule(libc::SCHED_OTHER, 0);
        }
    }
}

/// Sets this thread's policy and priority; returns whether that was permitted. Uses the system
/// call, which applies to one thread: some C libraries refuse, because POSIX means a process.
fn set_schedule(policy: libc::c_int, priority: libc::c_int) -> bool {
    // SAFETY: all fields may be zero.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority;
    // SAFETY: changes this thread's scheduling; the parameter outlives the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            policy,
            &raw const parameter,
        )
    };
    done == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_ordinary_again_afterwards() {
        // SAFETY: reads this thread's own policy.
        let policy = || unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        assert_eq!(policy(), 0);
        let mut urgent = Urgent::begin();
        assert_eq!(urgent.is_first, policy() != 0);
        thread::sleep(WORK);
        urgent.pause();
        drop(urgent);
        assert_eq!(policy(), 0);
    }
}
