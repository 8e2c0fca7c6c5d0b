//! Workers that are replaced, of which each grows as planted.

use std::collections::BTreeMap;

use crate::{
    run::{HeldBefore, Process, Run, Sample, Sources},
    verdict::growth::{
        TreeGrowth, VerdictKind, growth_of_tree,
        tests::{linear, run},
        verdict_in_words,
    },
};

const SECOND: u64 = 1_000_000_000;
const PAGES_PER_MIB: u64 = 256;
const BEFORE: u64 = 100 * PAGES_PER_MIB;

/// Workers of one master, one after the other in each of some places.
struct Planted {
    seconds: u64,
    places: u64,
    /// Seconds that a worker lives.
    life: u64,
    /// MiB that a worker copies in its life.
    copies: u64,
}

impl Planted {
    /// `new`: MiB that a worker has at a fraction of its life. In each place they begin at another time.
    fn run(&self, new: impl Fn(f64) -> f64) -> Run {
        let mut run = run(self.seconds, linear(0), linear(0), 0);
        let worker = run.memory.processes.remove(1);
        run.growth.held_before.truncate(1);
        let mut held: Vec<BTreeMap<u32, u64>> =
            vec![BTreeMap::from([(0, BEFORE)]); self.seconds as usize + 1];
        let mut touched = vec![0; self.seconds as usize + 1];
        let mut begun: Vec<u64> = (0..self.places)
            .flat_map(|place| {
                let first = 1 + place * self.life / self.places;
                (0..)
                    .map(move |number| first + number * self.life)
                    .take_while(|begun| *begun < self.seconds)
            })
            .collect();
        begun.sort_unstable();
        for (id, begun) in (1_u32..).zip(begun) {
            let end = begun + self.life;
            run.memory.processes.push(Process {
                id,
                pid: 200 + id,
                started_ns: begun * SECOND - SECOND / 2,
                exited_ns: (end <= self.seconds).then_some(end * SECOND - SECOND / 2),
                copied: Sources {
                    anon: self.copies * PAGES_PER_MIB,
                    ..Sources::default()
                },
                ..worker.clone()
            });
            run.growth.held_before.push(HeldBefore {
                process_id: id,
                pages: BEFORE,
            });
            for at in begun..end.min(self.seconds + 1) {
                let age = (at - begun) as f64 + 0.5;
                let pages = (new(age / self.life as f64) * PAGES_PER_MIB as f64) as u64;
                held[at as usize].insert(id, BEFORE + pages);
            }
            let most = (new(1.0) * PAGES_PER_MIB as f64) as u64;
            for sum in &mut touched[begun as usize..] {
                *sum += most;
            }
        }
        let samples = (0..).zip(held).zip(touched);
        run.memory.timeline.samples = samples
            .map(|((at, held_by_process), touched_pages)| Sample {
                at_ns: at * SECOND,
                by_process: run
                    .memory
                    .processes
                    .iter()
                    .map(|it| (it.id, it.copied.anon))
                    .collect(),
                held_by_process,
                touched_pages,
                ..Sample::default()
            })
            .collect();
        run
    }
}

const USUAL: Planted = Planted {
    seconds: 60,
    places: 3,
    life: 8,
    copies: 0,
};

fn growth(run: &Run) -> TreeGrowth {
    growth_of_tree(run).unwrap()
}

#[test]
fn workers_that_grow_until_they_are_replaced_are_not_called_flat() {
    for (places, life, mib) in [(3, 8, 50.0), (1, 6, 50.0), (8, 12, 9.0), (2, 15, 200.0)] {
        let planted = Planted {
            places,
            life,
            ..USUAL
        };
        let run = planted.run(|age| age * mib);
        let growth = growth(&run);
        let name = format!("{places} places, {life} s, {mib} MiB: {growth:#?}");
        assert_eq!(growth.kind, VerdictKind::GrowsUntilReplaced, "{name}");
        let lives = growth.lives.unwrap();
        assert!(lives.is_flat && !lives.others_grow, "{name}");
        let planted_bytes = mib * f64::from(1 << 20);
        let seen = lives.bytes as f64 / planted_bytes;
        assert!((0.98..=1.02).contains(&seen), "{name}");
        let middle = lives.by_age[2] as f64 / planted_bytes;
        assert!((0.45..0.55).contains(&middle), "{name}");
        assert_eq!(lives.life_ns, life * SECOND, "{name}");
    }
    let run = USUAL.run(|age| age * 50.0);
    let words = verdict_in_words(&run, &growth(&run));
    let expected = "EACH WORKER GROWS BY ABOUT 50 MiB UNTIL IT IS REPLACED: ";
    assert!(
        words.starts_with(expected) && words.ends_with("; all together stay flat"),
        "{words}"
    );
}

#[test]
fn a_warm_up_before_steady_growth_hides_nothing() {
    let run = USUAL.run(|age| 40.0 * (age * 6.0).min(1.0) + 40.0 * age);
    assert_eq!(growth(&run).kind, VerdictKind::GrowsUntilReplaced);
}

#[test]
fn workers_that_only_warm_up_do_not_grow_until_they_are_replaced() {
    for new in [
        |age: f64| 50.0 * (age * 4.0).min(1.0),
        |age: f64| 50.0 * age.sqrt(),
        |age: f64| 50.0 * (1.0 - (-3.0 * age).exp()),
        // What comes and goes.
        |age: f64| {
            if ((age * 10.0) as u64).is_multiple_of(2) {
                2.0
            } else {
                60.0
            }
        },
        |_: f64| 2.0,
    ] {
        let planted = Planted { life: 12, ..USUAL };
        let growth = growth(&planted.run(new));
        assert_eq!(growth.lives, None);
        assert_ne!(growth.kind, VerdictKind::GrowsUntilReplaced);
    }
}

#[test]
fn too_few_and_too_short_lives_are_no_evidence() {
    let few = Planted {
        places: 1,
        life: 25,
        ..USUAL
    };
    assert_eq!(growth(&few.run(|age| age * 50.0)).lives, None);
    let short = Planted { life: 2, ..USUAL };
    assert_eq!(growth(&short.run(|age| age * 50.0)).lives, None);
    // Below the time of a verdict.
    let soon = Planted {
        seconds: 18,
        life: 4,
        ..USUAL
    };
    assert_ne!(
        growth(&soon.run(|age| age * 50.0)).kind,
        VerdictKind::GrowsUntilReplaced
    );
}

#[test]
fn copies_and_leaks_beside_it_keep_the_first_word() {
    let copying = Planted {
        copies: 60,
        ..USUAL
    };
    let found = growth(&copying.run(|age| age * 20.0));
    assert!(found.lives.is_some());
    assert_ne!(found.kind, VerdictKind::GrowsUntilReplaced);
    // The master leaks more than its workers.
    let mut run = USUAL.run(|age| age * 20.0);
    for (at, sample) in (0..).zip(&mut run.memory.timeline.samples) {
        *sample.held_by_process.get_mut(&0).unwrap() += at * 5 * PAGES_PER_MIB;
    }
    let found = growth(&run);
    assert!(found.lives.is_some_and(|it| it.others_grow));
    assert_eq!(found.kind, VerdictKind::Growing);
}

#[test]
fn workers_that_stop_with_the_trace_were_not_replaced() {
    // One generation, which ends a second before the trace.
    let planted = Planted {
        seconds: 30,
        places: 4,
        life: 28,
        copies: 0,
    };
    let found = growth(&planted.run(|age| age * 50.0));
    assert_eq!(found.lives, None);
}
