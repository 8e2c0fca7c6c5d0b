//! How a process ended.

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// Signals by which something outside ends a process: the terminal, a user, a service manager, or the
/// end of the reader of its output. A process that one of them kills has not failed.
const FROM_OUTSIDE: [i32; 4] = [
    Signal::SIGHUP as i32,
    Signal::SIGINT as i32,
    Signal::SIGPIPE as i32,
    Signal::SIGTERM as i32,
];

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// By itself, or by a signal.
    pub ending: Ending,
    /// Whether the kernel chose it to be killed for lack of memory: of its control group or of the machine.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Whether a signal that ended the trace, such as a terminal's Ctrl-C, came at the same time.
    pub with_trace: bool,
    /// Processes of the whole machine that the kernel killed for lack of memory during the trace; 0 for a
    /// worker.
    pub oom_kills: u64,
}

/// The two ways to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// By exit(2), with this status.
    Status(u8),
    /// Killed by this signal.
    Signal(u8),
}

impl Ending {
    /// From the status that wait(2) gives of a process that has ended; none of one that has not.
    #[must_use]
    pub fn from_wait_status(status: i32) -> Option<Self> {
        let [low, high, ..] = status.to_le_bytes();
        // The highest bit says that there is a core dump; stopped ones have all others.
        match low & 0x7f {
            0 => Some(Self::Status(high)),
            0x7f => None,
            signal => Some(Self::Signal(signal)),
        }
    }
}

impl Exit {
    /// Whether the process failed by itself: not where it was ended from outside.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !self.with_trace
            && match self.ending {
                Ending::Status(status) => status != 0,
                Ending::Signal(signal) => !FROM_OUTSIDE.contains(&i32::from(signal)),
            }
    }

    /// Whether the kernel may have killed it for lack of memory: it says so, or, in recordings of older versions,
    /// it was killed as the kernel does that, and the kernel did that to somebody.
    #[must_use]
    pub fn may_be_out_of_memory(&self) -> bool {
        self.ending == Ending::Signal(Signal::SIGKILL as u8)
            && (self.out_of_memory || self.oom_kills > 0)
    }

    /// Name of the signal; none if it was none, or has no name.
    #[must_use]
    pub fn signal_name(&self) -> Option<&'static str> {
        let Ending::Signal(signal) = self.ending else {
            return None;
        };
        let signal = Signal::try_from(i32::from(signal)).ok()?;
        Some(signal.as_str())
    }

    /// What became of it, to follow its name.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.ending {
            Ending::Status(status) => format!("exited with status {status}"),
            Ending::Signal(number) => {
                let name = self.signal_name().map(str::to_owned);
                let name = name.unwrap_or_else(|| format!("signal {number}"));
                let meanwhile = match self.oom_kills {
                    _ if self.out_of_memory => " for lack of memory".into(),
                    _ if !self.may_be_out_of_memory() => String::new(),
                    1 => ", and the kernel killed 1 process for lack of memory meanwhile".into(),
                    kills => format!(
                        ", and the kernel killed {kills} processes for lack of memory meanwhile"
                    ),
                };
                format!("was killed by {name}{meanwhile}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(ending: Ending) -> Exit {
        Exit {
            ending,
            out_of_memory: false,
            with_trace: false,
            oom_kills: 0,
        }
    }

    #[test]
    fn a_wait_status_says_how_a_process_ended() {
        assert_eq!(Ending::from_wait_status(0), Some(Ending::Status(0)));
        assert_eq!(Ending::from_wait_status(7 << 8), Some(Ending::Status(7)));
        assert_eq!(Ending::from_wait_status(9), Some(Ending::Signal(9)));
        // With a core dump; and one that is stopped.
        assert_eq!(Ending::from_wait_status(0x8b), Some(Ending::Signal(11)));
        assert_eq!(Ending::from_wait_status(0x137f), None);
    }

    #[test]
    fn who_is_ended_from_outside_has_not_failed() {
        for (ending, fails) in [
            (Ending::Status(0), false),
            (Ending::Status(7), true),
            (Ending::Status(130), true),
            (Ending::Signal(2), false),
            (Ending::Signal(15), false),
            (Ending::Signal(9), true),
            (Ending::Signal(11), true),
            (Ending::Signal(34), true),
        ] {
            assert_eq!(exit(ending).is_failure(), fails, "{ending:?}");
            let with_trace = true;
            let interrupted = Exit {
                with_trace,
                ..exit(ending)
            };
            assert!(!interrupted.is_failure());
        }
    }

    #[test]
    fn a_lack_of_memory_is_told_of_what_was_killed_as_the_kernel_kills() {
        let killed = |signal, oom_kills| Exit {
            oom_kills,
            ..exit(Ending::Signal(signal))
        };
        assert_eq!(killed(9, 0).in_words(), "was killed by SIGKILL");
        assert_eq!(
            killed(9, 1).in_words(),
            "was killed by SIGKILL, and the kernel killed 1 process for lack of memory meanwhile"
        );
        let chosen = Exit {
            out_of_memory: true,
            ..killed(9, 1)
        };
        assert_eq!(
            chosen.in_words(),
            "was killed by SIGKILL for lack of memory"
        );
        assert!(killed(9, 2).in_words().contains("killed 2 processes for"));
        assert_eq!(killed(11, 2).in_words(), "was killed by SIGSEGV");
        assert_eq!(killed(40, 0).in_words(), "was killed by signal 40");
        assert_eq!(exit(Ending::Status(7)).in_words(), "exited with status 7");
    }
}
