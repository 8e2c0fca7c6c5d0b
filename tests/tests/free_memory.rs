//! Reports of a service whose workers put new objects into what the master had freed.

use cowtrace::run::{Allocator, FreeMemory, Run, WriteKind};
use serde_json::Value;

use crate::golden_reports::{SERVICE, growing, page_data, short_text, text};

/// Of the copies of the stored service, most are of free memory.
fn new_objects() -> Run {
    let mut run = growing(SERVICE, 60, |_| 0);
    run.who_holds
        .holders
        .retain(|holder| holder.path.contains("id_title"));
    run.who_holds.holders[0].copied_pages = 900;
    run.who_holds.holders[0].copied_types.clear();
    let walk = &mut run.who_holds.heap_walks[0];
    (walk.held_pages, walk.is_partial) = (950, false);
    walk.free = vec![
        FreeMemory {
            allocator: Allocator::Pymalloc,
            copied_pages: 7000,
            in_use_bytes: 7000 * 137,
            free_bytes: 3500 * (4096 - 137),
        },
        FreeMemory {
            allocator: Allocator::Malloc,
            copied_pages: 200,
            in_use_bytes: 200 * 2048,
            free_bytes: 100 * 2048,
        },
    ];
    for writer in &mut run.who_wrote.writers {
        if writer.copied_pages > 500 {
            (writer.kind, writer.type_name) = (WriteKind::Other, None);
        }
    }
    run
}

#[test]
fn a_short_report_of_new_objects_says_where_they_lie() {
    insta::assert_snapshot!(short_text(&new_objects(), 80));
}

#[test]
fn the_whole_report_says_what_that_means() {
    let text = text(&new_objects(), 80, false);
    for sentence in [
        "NEW OBJECTS IN FREE MEMORY OF THE MASTER",
        "the workers put new objects",
        "free memory of the master (malloc)",
        "(not reachable from any variable)",
        "malloc_trim() does not reach",
    ] {
        assert!(text.contains(sentence), "{sentence}: {text}");
    }
}

#[test]
fn the_page_has_a_row_for_each_allocator() {
    let page = page_data(&new_objects()).to_string();
    for name in ["pymalloc", "malloc"] {
        let row = format!("free memory of the master ({name})");
        assert!(page.contains(&row), "{page}");
    }
    assert!(!page.contains("(mimalloc)"));
}

#[test]
fn json_has_it_with_the_walk() {
    let mut out = Vec::new();
    cowtrace::report::run_as_json(&new_objects(), cowtrace::report::Histogram::Whole, &mut out)
        .expect("memory can be written");
    let report: Value = serde_json::from_slice(&out).expect("json");
    let free = &report["heap_walks"][0]["free"];
    assert_eq!(free[0]["allocator"], "pymalloc");
    assert_eq!(free[0]["copied_pages"], 7000);
    assert_eq!(free[1]["in_use_bytes"], 200 * 2048);
}
