//! The services, and what is to be said of each.

/// Longer than the 21 s in which the services do their work, and long enough for a verdict.
const LONG: &str = "24s";
/// Long enough to see that growth after a warm-up is steady.
const LONGER: &str = "40s";
/// Too short for a verdict.
const SHORT: &str = "10s";

/// A service and what is to be said of it.
pub struct Planted {
    /// Arguments of the service.
    pub plan: &'static str,
    pub seconds: &'static str,
    pub kind: &'static str,
    /// How the first line begins.
    pub headline: &'static str,
}

const COPIED: [&str; 2] = ["copy-on-write", "COPY-ON-WRITE, NOT A LEAK: "];
const GROWING: [&str; 2] = ["growing", "NEW MEMORY KEEPS GROWING: "];
const BOTH: [&str; 2] = ["both", "NEW MEMORY KEEPS GROWING: "];
const UNTIL_REPLACED: [&str; 2] = ["grows-until-replaced", "EACH WORKER GROWS BY ABOUT "];
const COMES_AND_GOES: [&str; 2] = ["comes-and-goes", "MEMORY COMES AND GOES: "];
const WORK: [&str; 2] = ["comes-and-goes", "COPY-ON-WRITE WORK, LITTLE MEMORY: "];
const WARMED_UP: [&str; 2] = ["warmed-up", "NEW MEMORY THAT STOPPED GROWING "];
const NOTHING: [&str; 2] = ["nothing-grew", "LITTLE GREW IN "];
/// The same, where the workers had copied before.
const BEFORE: [&str; 2] = ["nothing-grew", "ONLY "];

/// The same of the processes' own memory: what grew is shared.
const SHARED: [&str; 2] = ["nothing-grew", "SHARED MEMORY GREW: "];

const fn planted(plan: &'static str, [kind, headline]: [&'static str; 2]) -> Planted {
    Planted {
        plan,
        seconds: LONG,
        kind,
        headline,
    }
}

const fn longer(plan: &'static str, [kind, headline]: [&'static str; 2]) -> Planted {
    Planted {
        plan,
        seconds: LONGER,
        kind,
        headline,
    }
}

const fn soon(plan: &'static str, headline: &'static str) -> Planted {
    Planted {
        plan,
        seconds: SHORT,
        kind: "too-early",
        headline,
    }
}

pub const PLANTED: [Planted; 32] = [
    // The workers read a list that they inherited, or write to pages of it.
    planted("workers=3 titles=300000 read=1", COPIED),
    planted("workers=6 titles=120000 read=1", COPIED),
    planted("workers=2 inherit=40 copy=25 grow=2", COPIED),
    // Each keeps more and more.
    planted("workers=2 grow=30", GROWING),
    planted("workers=5 grow=9 titles=8000 read=1", GROWING),
    planted("workers=2 titles=300000 read=1 grow=25", BOTH),
    planted("workers=4 inherit=20 copy=12 grow=10", BOTH),
    // What is given back again.
    planted("workers=2 burst=40 bursts=7", COMES_AND_GOES),
    planted("workers=3 burst=16 bursts=16 peaks=1", COMES_AND_GOES),
    // A leak under bursts that are larger than it.
    planted("workers=2 burst=30 bursts=10 grow=20", GROWING),
    // A cache that is full after a third of the time.
    planted("workers=3 grow=20 fill=7", WARMED_UP),
    planted("workers=1 grow=35 fill=4 inherit=20 copy=12", WARMED_UP),
    // Arenas of threads, which reach their size and stay.
    planted("workers=2 threads=5", WARMED_UP),
    planted("workers=1 threads=12", WARMED_UP),
    // Workers that each copy 5 MiB and are replaced after a second.
    planted("workers=1 inherit=20 copy=5 recycle=1.0", WORK),
    planted("workers=4 inherit=12 copy=5 recycle=1.0", WORK),
    // Workers that leak and are replaced: the tree is as large as before, or comes and goes.
    planted("workers=3 recycle=5.0 grow=30", UNTIL_REPLACED),
    planted("workers=1 inherit=20 recycle=4.3 grow=45", UNTIL_REPLACED),
    // A leak that is small beside the warm-up before it.
    longer("workers=2 quick=80 grow=40 seconds=36", GROWING),
    // The master leaks.
    planted("workers=3 leak=40", GROWING),
    // Growth in steps.
    planted("workers=3 grow=24 steps=6", GROWING),
    // A child of a worker runs another program, from before the trace or in it.
    planted("workers=1 exec=40", GROWING),
    planted("workers=2 exec=25 early=1", GROWING),
    // Copied and filled before the trace; what happens again does not count again.
    planted("workers=3 warm=2 titles=200000 read=1 grow=20", BEFORE),
    planted("workers=2 warm=1 inherit=20 copy=20 grow=30", GROWING),
    // Nothing happens.
    planted("workers=3 titles=200000", NOTHING),
    // Workers fill memory that they share.
    planted("workers=2 shared=40", SHARED),
    planted("workers=5 shared=12", SHARED),
    // Short programs beside it change nothing: one late and alone, many at once early.
    planted("leak=30 helpers=1 at=16", GROWING),
    planted("workers=1 leak=30 helpers=9 at=3", GROWING),
    soon(
        "workers=3 titles=300000 read=1 seconds=8",
        "SO FAR COPY-ON-WRITE: ",
    ),
    soon("workers=2 grow=30 seconds=8", "SO FAR NEW MEMORY: "),
];
