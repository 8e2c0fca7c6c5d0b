//! The page's sections on all memory in a real browser: over time, and what each process still shares.

use cowtrace::{
    run::{Balance, BalanceIs, HeldBefore, PageBalance, Process, Role, Run},
    words,
};
use serde_json::{Value, json};

use super::html_report::{SERVICE, data, opened, run};

/// The stored run as if the trace had looked at all memory, with a balance of each of twelve workers.
fn with_all_memory() -> Run {
    let mut run = run(SERVICE);
    let worker = run
        .memory
        .processes
        .iter()
        .find(|it| it.role == Role::Worker)
        .expect("a worker")
        .clone();
    run.memory.processes.truncate(1);
    for id in 1..=12 {
        run.memory.processes.push(Process {
            id,
            pid: 9000 + id,
            parent_id: Some(0),
            started_ns: 0,
            exited_ns: None,
            ..worker.clone()
        });
        run.growth.balances.push(Balance {
            process_id: id,
            at_ns: 0,
            copied_pages: 0,
            pages: PageBalance {
                is: BalanceIs::Exact,
                shared_pages: 10_000 - u64::from(id) * 100,
                unshared_pages: u64::from(id) * 100,
                new_pages: 50,
                ..PageBalance::default()
            },
        });
    }
    let held_before = (0..=12).map(|process_id| HeldBefore {
        process_id,
        pages: 10_000,
    });
    run.growth.held_before = held_before.collect();
    for (at, sample) in (0..).zip(&mut run.memory.timeline.samples) {
        sample.held_by_process = (0..=12).map(|id| (id, 10_000 + at * 10)).collect();
        sample.touched_pages = at * 150;
        sample.touched_by_process = (0..=12).map(|id| (id, at * 11)).collect();
    }
    run
}

#[test]
fn the_memory_of_the_tree_and_of_each_worker_is_drawn() {
    let run = with_all_memory();
    let (mut browser, _) = opened(&run, "memory");
    let data = data(&mut browser);
    let last = |band: &Value| {
        let pages = band["pages"].as_array().expect("pages");
        pages.last().and_then(Value::as_u64).expect("pages")
    };
    let bands = data["memory"]["bands"].as_array().expect("bands");
    let samples = run.memory.timeline.samples.len() as u64;
    let new = bands.iter().find(|band| band["name"] == "new").map(last);
    assert_eq!(
        new,
        Some(13 * 10 * (samples - 1)),
        "each grew by 10 a sample"
    );
    let sum: u64 = bands.iter().map(last).sum();
    let told = browser.text("#memory .readout");
    let bytes = words::size(sum * 4096);
    assert!(told.contains(&format!("{bytes} in memory")), "{told}");
    assert!(told.contains("given back so far: "), "{told}");

    let by_process = data["memory_by_process"]["processes"].as_array();
    let by_process = by_process.expect("processes");
    assert_eq!(by_process.len(), 13);
    for process in by_process {
        let bands = process["bands"].as_array().expect("bands").iter();
        let pages: u64 = bands.map(|band| last(&json!({ "pages": band }))).sum();
        assert_eq!(pages, 10_000 + 10 * (samples - 1), "all that it has");
        let given_back = last(&json!({ "pages": process["given_back"] }));
        assert_eq!(given_back, samples - 1, "it touched 11 a sample");
    }
    let choose = |place: &str| {
        format!(
            "(() => {{ const list = document.querySelector('#memory select'); list.value = '{place}'; \
             list.dispatchEvent(new Event('change')); return list.options.length; }})()"
        )
    };
    let lines = "document.querySelectorAll('#memory .legend .line').length";
    assert_eq!(browser.evaluate(&choose("3")), 1 + 13);
    assert_eq!(
        browser.evaluate(lines),
        1,
        "one chart, with what was given back"
    );
    assert_eq!(browser.evaluate(&choose("")), 1 + 13);
    assert_eq!(browser.evaluate(lines), 1);

    let shown = "[...document.querySelectorAll('.balances li')].filter(it => !it.hidden).length";
    assert_eq!(browser.evaluate(shown), 8);
    browser.click("#balances .fold");
    assert_eq!(browser.evaluate(shown), 12);
    let first = browser.text(".balances li:first-child");
    assert!(
        first.contains("9012") && first.contains(&words::size(1200 * 4096)),
        "the one that shares least: {first}"
    );
    browser.click("#balances .fold");
    assert_eq!(browser.evaluate(shown), 8);
    assert_eq!(browser.complaints(), [""; 0]);
    // What stands first is the verdict and its reasons.
    let order = "[...document.querySelectorAll('section')].map(it => it.id).join(' ')";
    assert_eq!(
        browser.evaluate(order),
        "memory writers flame holders timeline mappings maps processes balances measured lost"
    );
    let rows = data["card"].as_array().expect("rows");
    let shown = "document.querySelectorAll('#card dd').length";
    assert!(!rows.is_empty());
    assert_eq!(browser.evaluate(shown), rows.len());
}
