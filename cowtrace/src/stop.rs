//! Whether a trace should end, for long steps. Signals are otherwise handled only between two
//! steps; a long step checks here between its parts.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use nix::libc::c_int;

/// Set once one of its signals has arrived.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Makes a signal set it, in addition to the signal's other effects.
    pub fn at(&self, signal: c_int) -> io::Result<()> {
        signal_hook::flag::register(signal, Arc::clone(&self.0))?;
        Ok(())
    }

    /// Whether a signal has arrived.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal, raise};

    #[test]
    fn it_is_due_from_its_signal_on_and_at_no_other() {
        let stop = Stop::default();
        for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
            stop.at(signal as c_int).unwrap();
        }
        let other = Stop::default();
        other.at(Signal::SIGURG as c_int).unwrap();
        assert!(!stop.is_due());
        raise(Signal::SIGUSR2).unwrap();
        assert!(stop.clone().is_due() && !other.is_due());
    }
}
