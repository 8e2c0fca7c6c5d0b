//! What grew the heap, by a sample of first touches: estimates, and how far off they may be.

use std::collections::{BTreeMap, HashMap};

use super::growth::new_pages_by_process;
use crate::{
    run::{Grower, Role, Run},
    words::{Lines, cause_of_growth},
};

/// Of 20 samples, in 19 a share is at most so many standard deviations off.
const DEVIATIONS: f64 = 1.96;
/// The largest standard deviation that a share can have in a sample of one: that of one half.
const LARGEST_DEVIATION: f64 = 0.5;

/// A place with a smaller share of new memory is not the main one.
const LEAST_SHARE: f64 = 0.1;

/// The first touches of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SampledTouches {
    /// How many.
    pub(crate) touches: u64,
    /// Pages that they stand for.
    pub(crate) pages: u64,
}

impl SampledTouches {
    /// Those of a run; `None` if there are none, or so few that even the largest share may be off by half of it.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let growers = &run.growth.growers;
        let sampled = Self {
            touches: growers.iter().map(|grower| grower.sampled_touches).sum(),
            pages: growers.iter().map(|grower| grower.pages).sum(),
        };
        let lines = Lines::of(run);
        let by_place = grown_by(growers, |it| place_of_grower(run, &lines, it));
        let (_, largest) = by_place.first()?;
        let is_known = sampled.pages > 0 && sampled.touches > 0;
        (is_known && sampled.error() * 2.0 < sampled.share(*largest)).then_some(sampled)
    }

    /// The share of some of these pages.
    pub(crate) fn share(&self, pages: u64) -> f64 {
        pages as f64 / self.pages as f64
    }

    /// How far a share may be off, in 19 of 20 samples. It is less, since the sample is drawn evenly and has
    /// every huge page.
    pub(crate) fn error(&self) -> f64 {
        (DEVIATIONS * LARGEST_DEVIATION / (self.touches as f64).sqrt()).min(1.0)
    }
}

/// Where new memory was touched first: the Python line, else the function.
pub(crate) fn place_of_grower(run: &Run, lines: &Lines<'_>, grower: &Grower) -> String {
    match grower.python_stack {
        Some(_) => lines.of_stack(grower.python_stack),
        None => cause_of_growth(run, grower),
    }
}

/// Whether the place says more than that memory was allocated or filled, as every program's C library does.
fn is_telling(grower: &Grower) -> bool {
    let module = grower.module.as_deref();
    let is_of_system = module.is_none_or(|module| {
        let names = ["libc.so", "libc-", "ld-linux", "ld-musl"];
        names.iter().any(|name| module.starts_with(name))
    });
    grower.python_stack.is_some() || (grower.function.is_some() && !is_of_system)
}

/// Whether a process is a master that touched more for other ends than to grow, as one does that loads before it
/// forks: the places where it touched say little of where it grew.
fn has_loaded(run: &Run, process_id: u32, grown: f64, touched: u64) -> bool {
    let process = run.process(process_id);
    process.is_some_and(|it| it.role == Role::Master) && grown * 2.0 < touched as f64
}

/// Pages by name, most first.
pub(crate) fn grown_by<'a>(
    growers: impl IntoIterator<Item = &'a Grower>,
    name: impl Fn(&Grower) -> String,
) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for grower in growers {
        *sums.entry(name(grower)).or_default() += grower.pages;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, pages)| std::cmp::Reverse(*pages));
    sums
}

/// The place that grew the heap most, and its share, of the processes whose memory grew: each weighs as much as
/// it grew by, whatever it touched in all. `None` if no such place is known, or none with much of it.
pub(crate) fn main_grower(run: &Run) -> Option<(String, f64)> {
    let new = new_pages_by_process(run);
    let mut touched: HashMap<u32, u64> = HashMap::new();
    for grower in &run.growth.growers {
        *touched.entry(grower.process_id).or_default() += grower.pages;
    }
    let lines = Lines::of(run);
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let mut whole = 0.0;
    for grower in &run.growth.growers {
        let grown = new.get(&grower.process_id).copied().unwrap_or(0) as f64;
        let all = touched.get(&grower.process_id).copied().unwrap_or(0);
        if grown > 0.0 && all > 0 {
            let pages = grown * grower.pages as f64 / all as f64;
            whole += pages;
            if is_telling(grower) && !has_loaded(run, grower.process_id, grown, all) {
                *sums
                    .entry(place_of_grower(run, &lines, grower))
                    .or_default() += pages;
            }
        }
    }
    let most = sums
        .into_iter()
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    most.map(|(place, pages)| (place, pages / whole))
        .filter(|(_, share)| *share >= LEAST_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{HeldBefore, Kind, Process, Sample, Sources, arbitrary};

    fn grower(process_id: u32, function: &str, sampled_touches: u64) -> Grower {
        Grower {
            process_id,
            kind: Some(Kind::Heap),
            function: Some(function.into()),
            module: Some("app".into()),
            system_call: None,
            python_stack: None,
            native_stack: None,
            sampled_touches,
            pages: sampled_touches * Grower::PAGES_PER_SAMPLE,
        }
    }

    fn process(id: u32, role: Role) -> Process {
        Process {
            id,
            pid: 100 + id,
            parent_id: (role == Role::Worker).then_some(0),
            comm: "app".into(),
            role,
            started_ns: u64::from(id) * 1_000_000_000,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: (role == Role::Worker).then_some(50_000),
            target: None,
        }
    }

    fn sample(at_ns: u64, held: [u64; 2]) -> Sample {
        Sample {
            at_ns,
            held_by_process: (0..).zip(held).collect(),
            ..Sample::default()
        }
    }

    /// A master that loads a lot, started by the trace, and then a worker that grows.
    fn run() -> Run {
        let mut run = arbitrary::empty();
        run.memory.processes = vec![process(0, Role::Master), process(1, Role::Worker)];
        // Not 0, which a master has that was there before the trace.
        run.memory.processes[0].started_ns = 1;
        run.memory.timeline.samples = (1..30)
            .map(|second| sample(second * 1_000_000_000, [50_000, second * 100]))
            .collect();
        run.growth.held_before = vec![HeldBefore {
            process_id: 1,
            pages: 100,
        }];
        run.growth.growers = vec![grower(0, "load", 800), grower(1, "handle", 30)];
        run.growth.growers.push(grower(1, "log", 10));
        run
    }

    #[test]
    fn only_what_grew_has_a_main_grower() {
        let (place, share) = main_grower(&run()).unwrap();
        assert_eq!((place.as_str(), share), ("handle (app)", 0.75));
        let mut run = run();
        // The allocator grew it: that says nothing.
        run.growth.growers[1].module = Some("libc.so.6".into());
        assert_eq!(main_grower(&run), Some(("log (app)".into(), 0.25)));
        run.growth.growers.truncate(1);
        assert_eq!(main_grower(&run), None);
    }

    #[test]
    fn where_a_master_loads_is_not_where_it_grows() {
        let mut run = run();
        // It grows by 2,800 pages, and its sample stands for 51,200.
        for (sample, more) in run.memory.timeline.samples.iter_mut().zip(1..) {
            sample.held_by_process = [(0, 50_000 + more * 100), (1, 100)].into();
        }
        assert_eq!(main_grower(&run), None);
        run.growth.growers[0] = grower(0, "keep", 45);
        let found = main_grower(&run);
        assert_eq!(found, Some(("keep (app)".into(), 1.0)));
    }

    #[test]
    fn a_sample_of_a_few_touches_says_nothing() {
        let mut run = run();
        run.growth.growers = vec![grower(0, "load", 3)];
        assert_eq!(SampledTouches::of(&run), None);
        run.growth.growers = vec![grower(0, "load", 4)];
        assert!(SampledTouches::of(&run).is_some());
        run.growth.growers.push(grower(0, "keep", 4));
        assert_eq!(
            SampledTouches::of(&run),
            None,
            "50 % each, within 35 points"
        );
    }

    #[test]
    fn a_sample_says_how_far_off_it_may_be() {
        let sampled = SampledTouches::of(&run()).unwrap();
        assert_eq!((sampled.touches, sampled.pages), (840, 840 * 64));
        assert!((sampled.error() - 0.98 / 840f64.sqrt()).abs() < 1e-9);
        assert!((sampled.share(420 * 64) - 0.5).abs() < 1e-9);
        let by_name = grown_by(&run().growth.growers, |it| it.function.clone().unwrap());
        assert_eq!(by_name[0], ("load".to_owned(), 800 * 64));
    }
}
