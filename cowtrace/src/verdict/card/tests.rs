//! The facts of stored runs.

use super::*;
use crate::verdict::{facts, unshared_share};

const SERVICE: &str = include_str!("../../../../tests/tests/runs/service.json");
const SAVING: &str = include_str!("../../../../tests/tests/runs/saving.json");
const STACKS: &str = include_str!("../../../../tests/tests/runs/stacks.json");

fn stored(run: &str) -> Run {
    serde_json::from_str(run).unwrap()
}

#[test]
fn workers_that_are_gone_hold_nothing() {
    let mut run = stored(SERVICE);
    let own_copies_of =
        |process: &crate::run::Process| process.copied.total() - process.copied.zero;
    let living = |run: &Run| {
        let workers = run.workforce().workers;
        let living = workers.iter().filter(|it| it.forked.exited_ns.is_none());
        living
            .map(|it| (own_copies_of(it.forked), it.forked.inherited_pages.unwrap()))
            .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    };
    let outlook = Outlook::of(&run, None).unwrap();
    let (copied, inherited) = living(&run);
    assert_eq!(outlook.workers, 2);
    assert_eq!(outlook.ceiling_bytes, run.bytes(inherited));
    assert_eq!(outlook.unshared_bytes, run.bytes(copied));
    assert!(outlook.is_since_start && !outlook.have_ended && outlook.rate.is_none());
    // What was filled from the page of zeros was not shared.
    let worker = run.memory.processes.iter_mut();
    let worker = worker.filter(|it| it.exited_ns.is_none() && it.inherited_pages.is_some());
    for worker in worker {
        worker.copied.zero = worker.copied.anon;
        worker.copied.anon = 0;
    }
    let outlook = Outlook::of(&run, None).unwrap();
    assert!(outlook.unshared_bytes < run.bytes(copied));
}

#[test]
fn what_the_master_copied_is_not_divided_among_workers() {
    let run = stored(SAVING);
    let outlook = Outlook::of(&run, None).unwrap();
    assert_eq!(outlook.workers, 1);
    assert!(outlook.unshared_bytes > outlook.ceiling_bytes / 2);
    // With a worker that is gone it is not known which of them shared it.
    let mut run = run;
    let mut gone = run.memory.processes.last().unwrap().clone();
    gone.id += 1;
    gone.pid += 1;
    gone.exited_ns = Some(gone.started_ns + 5_000_000_000);
    run.memory.processes.push(gone);
    assert_eq!(run.workforce().workers.len(), 2);
    assert!(Outlook::of(&run, None).is_none());
}

#[test]
fn without_a_count_of_what_was_inherited_there_is_no_ceiling_and_no_share() {
    let mut run = stored(SERVICE);
    assert!(run.ceiling_bytes().is_some() && unshared_share(&run).is_some());
    let fact = "How much the workers inherited is not known";
    let says = |run: &Run| facts(run).iter().any(|it| it.starts_with(fact));
    assert!(!says(&run));
    // One worker is enough.
    let worker = run.workforce().workers[0].forked.id;
    run.memory.uncounted = vec![worker];
    assert_eq!(run.ceiling_bytes(), None);
    assert_eq!(unshared_share(&run), None);
    assert!(Outlook::of(&run, None).is_none());
    assert!(says(&run), "{:?}", facts(&run));
    let process = run.process(worker).unwrap();
    assert_eq!(run.memory.inherited_pages(process), None);
    // Nor is there a part of the regions of one whose pages were not counted.
    let of_some = |run: &Run| {
        let regions = run.memory.regions.iter();
        regions
            .filter_map(|it| run.memory.unshared_fraction(it))
            .count()
    };
    assert!(of_some(&run) > 0);
    run.memory.uncounted = run.memory.processes.iter().map(|it| it.id).collect();
    assert_eq!(of_some(&run), 0);
}

#[test]
fn a_function_is_named_where_lines_explain_little() {
    let place = |stored_run: &str| {
        let card = Card::of(&stored(stored_run));
        card.copies.unwrap().place.unwrap().0
    };
    assert_eq!(place(SERVICE), "handlers.py:42 in ArticleHandler.get");
    assert_eq!(place(STACKS), "dictFind (redis-server)");
}

#[test]
fn advice_saves_at_most_what_has_its_cause_or_none_that_is_known() {
    let mut run = stored(SERVICE);
    let saved = |run: &Run| {
        let advice = advice_on_copies(run);
        let it = advice.iter().find(|it| it.what.starts_with("gc.freeze()"));
        it.map(|it| (it.helps, it.saves_at_most_bytes.unwrap()))
    };
    let (helps, all_known) = saved(&run).unwrap();
    assert!(helps && all_known > 0);
    let lost = run.who_wrote.writers.pop().unwrap();
    let expected = all_known + run.bytes(lost.copied_pages);
    assert_eq!(saved(&run), Some((true, expected)));
    // Without headers among the copies it is said that it would not help.
    let is_header = |writer: &crate::run::Writer| writer.kind == crate::run::WriteKind::Gc;
    run.who_wrote.writers.retain(|writer| !is_header(writer));
    let (helps, _) = saved(&run).unwrap();
    assert!(!helps);
}
