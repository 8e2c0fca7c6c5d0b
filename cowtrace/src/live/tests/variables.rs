//! The table of variables, which is filled while the trace runs.

use std::sync::Arc;

use super::{LOOK, press, run, state, text};
use crate::{
    live::{rows::Table, state::Phase},
    run::{HeapWalk, Holder},
};

#[test]
fn variables_are_said_to_come_later_until_there_are_some() {
    let mut state = state(run(&[5_000]));
    press(&mut state, "5");
    assert_eq!(state.table, Table::Variables);
    assert!(text(&mut state, LOOK, 80, 24).contains("no variable yet"));
    let mut looked_up = run(&[6_000]);
    looked_up.who_holds.heap_walks.push(HeapWalk {
        asked_pages: 5_000,
        held_pages: 4_000,
        at_ns: Some(2_000_000_000),
        ..HeapWalk::default()
    });
    looked_up.who_holds.holders.push(Holder {
        process_id: 0,
        path: "__main__.rows".into(),
        type_name: Some("list".into()),
        entries: Some(100_000),
        copied_pages: 4_000,
        copied_types: Vec::new(),
        also_held_by: Vec::new(),
        saving: None,
    });
    state.take(Arc::new(looked_up), Phase::Live);
    let shown = text(&mut state, LOOK, 80, 24);
    assert!(shown.contains("__main__.rows"), "{shown}");
    assert!(shown.contains("15.6 MiB"), "{shown}");
    assert!(
        shown.contains("variable, of 19.5 MiB until 2.0 s"),
        "{shown}"
    );
}
