//! Which memory the lines at the bottom show.

use super::*;
use crate::run::{CopiedType, HeapWalk, Holder};

/// Two mappings: most was copied in the heap; `Row` lies in the other one, and is written by a line.
fn with_two_mappings() -> Run {
    let mut run = run(&[5_000]);
    let mut other = run.memory.regions[0].clone();
    other.id = 1;
    other.mapping.name = "/dev/zero (other)".into();
    other.copied_pages = 50;
    run.memory.regions.push(other);
    let mut in_other = writer(WriteKind::Refcount, "Row", Some(0), 50);
    in_other.region_id = Some(1);
    run.who_wrote.writers = vec![writer(WriteKind::Refcount, "str", None, 4_000), in_other];
    run.who_holds.heap_walks.push(HeapWalk {
        process_id: 1,
        asked_pages: 50,
        held_pages: 50,
        ..HeapWalk::default()
    });
    run.who_holds.holders.push(Holder {
        process_id: 1,
        path: "app.rows".into(),
        type_name: Some("list".into()),
        entries: Some(100),
        copied_pages: 50,
        copied_types: vec![CopiedType {
            type_name: "Row".into(),
            copied_pages: 50,
        }],
        also_held_by: Vec::new(),
        saving: None,
    });
    run
}

/// The line above the strip, where a table is open and a row that contains this is selected.
fn title(table: &str, row: &str) -> String {
    let mut state = state(with_two_mappings());
    press(&mut state, table);
    let rows = &state.rows.all;
    let place = rows.iter().position(|it| it.subject.contains(row));
    let place = place.unwrap_or_else(|| panic!("no {row} in table {table}"));
    press(&mut state, &"j".repeat(place));
    let shown = text(&mut state, LOOK, 100, 24);
    let line = shown.lines().rev().find(|line| line.contains("where"));
    line.unwrap().to_owned()
}

#[test]
fn the_strip_is_of_the_mapping_that_a_writer_a_line_or_a_variable_has_most_copies_in() {
    assert!(title("3", "str").contains("where: most of it in [heap]"));
    for (table, row) in [("3", "Row"), ("4", "Catalog.find"), ("5", "app.rows")] {
        let title = title(table, row);
        assert!(
            title.contains("where: most of it in /dev/zero"),
            "{row}: {title}"
        );
    }
}
