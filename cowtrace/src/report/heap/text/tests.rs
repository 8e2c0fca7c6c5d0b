//! What is printed of a heap.

use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::run::{HeapChange, HeapGrowth, UnheldObjects, UnreadContainer, VariableChange};

fn contents() -> HeapContents {
    let sum = |objects, bytes| HeapSum { objects, bytes };
    let of_type = |name: &str, objects, bytes| TypeContents {
        name: name.into(),
        sum: sum(objects, bytes),
        largest_bytes: bytes / objects,
    };
    let types: Vec<_> = (1..=20)
        .rev()
        .map(|n| of_type(&format!("t{n}"), n, n << 20))
        .collect();
    let variable = |n: u64| VariableContents {
        path: format!("__main__.data{n}\u{1b}[2J"),
        type_name: Some("dict".into()),
        entries: Some(n),
        sum: sum(n, n << 20),
        aliases: vec![format!("__main__.handler.{}", "long".repeat(30))],
    };
    HeapContents {
        pid: 4242,
        comm: "python3".into(),
        started_ticks: 1,
        at_ns: 1,
        python: (3, 11),
        all: sum(210, 210 << 20),
        types,
        variables: (1..=16).rev().map(variable).collect(),
        smaller_variables: sum(10, 10 << 20),
        interpreter_alone: sum(1, 1 << 20),
        unheld: Ok(UnheldObjects {
            sum: sum(63, 63 << 20),
            types: vec![of_type("list", 63, 63 << 20)],
            is_partial: false,
        }),
        collects: Some(true),
        limits: Vec::new(),
        unread: Vec::new(),
        swapped_bytes: 0,
        bytes_read: 0,
        duration_ns: 1_260_000_000,
    }
}

fn growth() -> HeapGrowth {
    let change = |objects, bytes| HeapChange { objects, bytes };
    let of_type = |n: i64| {
        (
            format!("module{n}.{}", "Long".repeat(12)),
            change(n, n << 30),
        )
    };
    let variable = |n: i64| VariableChange {
        path: format!("__main__.{}[{n}]", "long".repeat(12)),
        type_name: Some("dict".into()),
        entries: Some(n),
        change: change(n, n << 30),
        is_in_both: n > 0,
    };
    HeapGrowth {
        elapsed_ns: 120_000_000_000,
        all: change(-1_000_000, 5 << 30),
        types: (-9..20).rev().map(of_type).collect(),
        variables: (-9..20).rev().map(variable).collect(),
        was_partial: true,
    }
}

fn text(contents: &HeapContents, full: bool, width: usize) -> String {
    text_since(contents, None, full, width)
}

fn text_since(
    contents: &HeapContents,
    since: Option<&HeapGrowth>,
    full: bool,
    width: usize,
) -> String {
    let mut out = Vec::new();
    let since = since.map(|growth| Since {
        file: "look.json",
        growth,
        is_partial: !contents.limits.is_empty(),
    });
    let color = false;
    heap_as_text(contents, since, full, Style { width, color }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Without the layout.
fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_largest_are_shown_and_the_others_added_up() {
    let short = words_of(&text(&contents(), false, 80));
    assert!(short.starts_with("python3 (4242), CPython 3.11: 210 objects, 210 MiB."));
    // 8 + 7 + … + 1.
    let rest = "36 17 % 36 MiB 100 % 1 MiB (8 more types)";
    assert!(short.contains(rest), "{short}");
    // 10 smaller ones, and 8 + 7 + … + 1 of those listed.
    let rest = "46 22 % 46 MiB (smaller variables)";
    assert!(short.contains(rest), "{short}");
    let full = text(&contents(), true, 80);
    assert!(
        !full.contains("more types") && full.contains("data1\\u{1b}[2J"),
        "{full}"
    );
    assert!(short.contains("REFERENCE CYCLES THAT NOTHING HOLDS: 63 objects, 63 MiB"));
}

#[test]
fn no_line_is_wider_than_the_terminal_or_harmful() {
    for width in 40..120 {
        let mut changing = contents();
        changing.limits = vec![HeapLimit::Changing];
        changing.unread = vec![unread()];
        for (contents, since) in [(contents(), None), (changing, Some(&growth()))] {
            let text = text_since(&contents, since, true, width);
            let wide = text.lines().find(|line| line.width() > width);
            assert_eq!(wide, None, "{width} columns");
            assert!(!text.contains('\u{1b}'));
        }
    }
}

fn unread() -> UnreadContainer {
    UnreadContainer {
        path: "__main__.kept\u{1b}".into(),
        type_name: Some("list".into()),
        entries: 1_203_441,
        is_gone: false,
    }
}

#[test]
fn what_could_not_be_read_is_said_and_no_share_is_of_the_rest() {
    let mut found = contents();
    found.limits = vec![HeapLimit::Changing];
    found.unread = vec![unread()];
    let text = words_of(&text(&found, false, 80));
    let missing =
        "1,203,441 entries of __main__.kept\\u{1b} (list) could not be read: it was changing.";
    assert!(
        text.contains("at least 210 objects") && text.contains(missing),
        "{text}"
    );
    let before_cycles = text.split("REFERENCE CYCLES").next().unwrap();
    assert!(
        !before_cycles.contains('%') && !before_cycles.contains("share"),
        "{text}"
    );
}

#[test]
fn what_changed_since_a_look_has_its_sign_and_the_name_of_the_look() {
    let text = words_of(&text_since(&contents(), Some(&growth()), false, 100));
    let title = "CHANGED SINCE look.json (2 min 0 s earlier): -1,000,000 objects, +5 GiB";
    assert!(text.contains(title), "{text}");
    assert!(
        text.contains("objects +/- bytes in all +/- type +19 +19 GiB"),
        "{text}"
    );
    assert!(text.contains("-9 -9 GiB"), "{text}");
    assert!(
        text.contains("The earlier look is not of all objects"),
        "{text}"
    );
}

#[test]
fn a_bound_that_was_met_is_said() {
    let mut found = contents();
    found.limits = vec![HeapLimit::Time, HeapLimit::Swap];
    found.swapped_bytes = 3 << 20;
    found.unheld = Err(HeapUnknown::Partial);
    let text = words_of(&text(&found, false, 80));
    assert!(text.contains("CPython 3.11: at least 210 objects"));
    assert!(text.contains("3 MiB of it are in swap") && text.contains("lower bounds"));
    assert!(text.contains("HOLDS: NOT KNOWN") && !text.contains("(nothing"));
}
