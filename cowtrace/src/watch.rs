//! The run so far, for those who look at it while it is traced. A thread of its own adds up the snapshots and
//! shows the run to each of them, so that nobody who looks delays the trace.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    itself::privileges::need_no_capability,
    run::{Run, Snapshot},
};

/// The thread works for at most one part in this many of the time.
const SHARE: u32 = 20;

/// The run at a moment of the trace.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// All that was observed by then; of native functions it has the names that are known.
    pub run: &'a Run,
    /// When its snapshot was taken.
    pub taken_at: SystemTime,
    /// How long that took the thread that traces.
    pub took: Duration,
}

/// Who looks at the run while it is traced.
pub trait Viewer: Send {
    /// Looks at a moment. The next one waits until this is done, the trace does not.
    fn look(&mut self, moment: Moment<'_>);
}

/// A snapshot, and how it was taken.
struct Taken {
    snapshot: Snapshot,
    at: SystemTime,
    took: Duration,
}

/// When the thread can take the next snapshot; `None` while it works on one.
type ReadyAt = Arc<Mutex<Option<Instant>>>;

/// A watch over a trace.
pub struct Watch {
    snapshots: SyncSender<Taken>,
    ready_at: ReadyAt,
    thread: JoinHandle<()>,
}

impl Watch {
    /// Starts the thread.
    pub fn start(mut viewers: Vec<Box<dyn Viewer>>) -> io::Result<Self> {
        let (snapshots, received) = sync_channel::<Taken>(1);
        let ready_at: ReadyAt = Arc::new(Mutex::new(Some(Instant::now())));
        let ready = Arc::clone(&ready_at);
        let thread = thread::Builder::new().name("watch".into());
        let thread = thread.spawn(move || {
            // It may begin before the trace has given up what it does not need.
            let _ = need_no_capability();
            let mut run = Run::default();
            for taken in received {
                let begun = Instant::now();
                taken.snapshot.add_to(&mut run);
                let moment = Moment {
                    run: &run,
                    taken_at: taken.at,
                    took: taken.took,
                };
                for viewer in &mut viewers {
                    viewer.look(moment);
                }
                let pause = begun.elapsed() * (SHARE - 1);
                set(&ready, Instant::now().checked_add(pause));
            }
        })?;
        Ok(Self {
            snapshots,
            ready_at,
            thread,
        })
    }

    /// Whether the next snapshot can be taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ready_at = self.ready_at.lock();
        let ready_at = *ready_at.unwrap_or_else(PoisonError::into_inner);
        ready_at.is_some_and(|at| at <= Instant::now())
    }

    /// Takes a snapshot by `take`, and hands it to the thread; call it only when ready.
    pub fn show(&self, take: impl FnOnce() -> Snapshot) {
        let begun = Instant::now();
        let snapshot = take();
        set(&self.ready_at, None);
        let _ = self.snapshots.try_send(Taken {
            snapshot,
            at: SystemTime::now(),
            took: begun.elapsed(),
        });
    }

    /// Waits until all have seen the last moment.
    pub fn finish(self) {
        drop(self.snapshots);
        let _ = self.thread.join();
    }
}

fn set(ready_at: &ReadyAt, to: Option<Instant>) {
    *ready_at.lock().unwrap_or_else(PoisonError::into_inner) = to;
}
