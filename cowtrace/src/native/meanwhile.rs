//! Has code named while the trace runs: a thread of its own waits for the naming process.

use std::{
    io,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    asking::Patience,
    names::{NamesByAddress, Naming},
};

/// A question that is being answered. The files that it is about must be held until it is.
pub(crate) struct NamingUnderWay {
    thread: JoinHandle<(NamesByAddress, Duration)>,
}

impl NamingUnderWay {
    /// Asks.
    pub(crate) fn begin(naming: Naming) -> io::Result<Self> {
        let thread = thread::Builder::new().name("names".into());
        let ask = move || {
            let begun = Instant::now();
            let named = naming.answers(Patience::MEANWHILE).0;
            (named, begun.elapsed())
        };
        Ok(Self {
            thread: thread.spawn(ask)?,
        })
    }

    /// Whether the answer is there.
    pub(crate) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the answer; with the time that it took.
    pub(crate) fn answer(self) -> (NamesByAddress, Duration) {
        self.thread.join().unwrap_or_default()
    }
}
