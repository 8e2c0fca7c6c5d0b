//! Reports and comparisons use the singular for one thing, everywhere.

use crate::{
    diff,
    report::{Extent, run_as_html, run_as_text},
    run::{Loss, Process, Region, Role, Row, Run, Sample, Sources, Writer, agreement::agreeing},
    terminal::Style,
};

const STORED: [&str; 4] = [
    include_str!("../../../tests/tests/runs/service.json"),
    include_str!("../../../tests/tests/runs/saving.json"),
    include_str!("../../../tests/tests/runs/collecting.json"),
    include_str!("../../../tests/tests/runs/stacks.json"),
];

/// Nouns whose plurals are checked.
const PLURALS: [&str; 22] = [
    "processes",
    "workers",
    "pages",
    "copies",
    "ranges",
    "regions",
    "others",
    "mappings",
    "faults",
    "children",
    "calls",
    "entries",
    "items",
    "variables",
    "functions",
    "lines",
    "runs",
    "stacks",
    "objects",
    "samples",
    "threads",
    "times",
];

fn one_page() -> Sources {
    Sources {
        anon: 1,
        ..Sources::default()
    }
}

/// A run in which everything happened once, with this many processes and regions besides the
/// master.
fn once(stored: &str, many: u32) -> Run {
    let mut run: Run = serde_json::from_str(stored).unwrap();
    let master = run.memory.processes[0].clone();
    let region = run.memory.regions[0].clone();
    let worker = |id: u32| Process {
        id,
        pid: master.pid + id,
        parent_id: Some(master.id),
        role: Role::Worker,
        exited_ns: None,
        inherited_pages: Some(1),
        reused_faults: 1,
        ..master.clone()
    };
    let of_worker = |id: u32| Region {
        id,
        process_id: 0,
        inheritors: 1,
        inherited_pages: 1,
        ..region.clone()
    };
    let row = |id: u32| Row {
        process_id: id,
        region_id: Some(id),
        start: Some(region.mapping.start),
        mapping: None,
        copied: one_page(),
        reused_faults: 1,
    };
    let mut only = Process {
        id: 0,
        ..master.clone()
    };
    only.reused_faults = 0;
    run.memory.processes = std::iter::once(only)
        .chain((1..=many).map(worker))
        .collect();
    run.memory.regions = (1..=many).map(of_worker).collect();
    run.memory.rows = (1..=many).map(row).collect();
    let writer = |writer: &Writer| Writer {
        region_id: Some(1),
        copied_pages: 1,
        ..writer.clone()
    };
    run.who_wrote.writers = run
        .who_wrote
        .writers
        .iter()
        .take(many as usize)
        .map(writer)
        .collect();
    run.who_holds.holders.truncate(1);
    for holder in &mut run.who_holds.holders {
        holder.process_id = 0;
        holder.entries = Some(1);
        holder.copied_pages = 1;
        holder.copied_types.truncate(1);
        holder.also_held_by.truncate(1);
        holder
            .copied_types
            .iter_mut()
            .for_each(|it| it.copied_pages = 1);
        holder
            .also_held_by
            .iter_mut()
            .for_each(|it| it.copied_pages = 1);
    }
    run.who_holds.heap_walks.truncate(1);
    for walk in &mut run.who_holds.heap_walks {
        walk.process_id = 0;
        walk.read_process_id = Some(0);
        (walk.asked_pages, walk.held_pages) = (2, 1);
        (walk.by_page, walk.objects) = (1, 1);
    }
    for cause in Loss::CAUSES {
        (cause.set)(&mut run.loss, 1);
    }
    run.memory.timeline.samples = vec![Sample {
        at_ns: 1,
        copied_pages: u64::from(many),
        reused_faults: u64::from(many),
        by_process: (1..=many).map(|id| (id, 1)).collect(),
        touched_pages: u64::from(many),
        held_by_process: (1..=many).map(|id| (id, 1)).collect(),
        touched_by_process: (1..=many).map(|id| (id, 1)).collect(),
    }];
    agreeing(run)
}

#[track_caller]
fn check(told: &str) {
    let words: Vec<&str> = told
        .split(|letter: char| !letter.is_ascii_alphanumeric() && !".,/×".contains(letter))
        .filter(|word| !word.is_empty())
        .collect();
    for (place, pair) in words.windows(2).enumerate() {
        let is_plural = |word: &str| PLURALS.contains(&word.trim_end_matches(['.', ',']));
        let next = words.get(place + 2).copied().unwrap_or_default();
        let far =
            is_plural(next) && ["more", "other", "copied", "known", "distinct"].contains(&pair[1]);
        assert!(
            pair[0] != "1" || !(is_plural(pair[1]) || far),
            "{:?}",
            &words[place.saturating_sub(8)..words.len().min(place + 6)]
        );
    }
}

/// With one of everything, and with one more than each table has lines, so that one is left over.
#[test]
fn one_thing_is_told_in_the_singular() {
    for stored in STORED {
        for many in [1, 4, 5, 11, 13] {
            let run = once(stored, many);
            let style = Style {
                width: 120,
                color: false,
            };
            for extent in [Extent::Full, Extent::Short(Some("cowtrace report"))] {
                let mut out = Vec::new();
                run_as_text(&run, extent, style, &mut out).unwrap();
                check(&String::from_utf8(out).unwrap());
            }
            let mut out = Vec::new();
            run_as_html(&run, &mut out).unwrap();
            let page = String::from_utf8(out).unwrap();
            // The page's script has its own function for numbers.
            check(page.split("<script").next().unwrap());
            let sides = ["1", "2"].map(|id| {
                let mut run = run.clone();
                run.head.id = id.into();
                vec![diff::Measured::of(&run, id.into())]
            });
            let [base, new] = sides;
            let options = diff::Options::default();
            let comparison = diff::compare_runs(base, new, options).unwrap();
            let mut out = Vec::new();
            diff::comparison_as_text(&comparison, style, &mut out).unwrap();
            check(&String::from_utf8(out).unwrap());
        }
    }
}
