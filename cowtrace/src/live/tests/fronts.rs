//! What stands in front of the table, and messages, on small screens.

use super::*;

/// The letters of a text without the ends of its lines.
fn joined(text: &str) -> String {
    text.lines().collect()
}

#[test]
fn the_least_screen_has_all_of_the_help() {
    let mut state = state(run(&[100]));
    press(&mut state, "?");
    let first = text(&mut state, LOOK, 60, 12);
    assert!(first.contains("q, Ctrl-C"), "{first}");
    assert!(first.contains("lines 1 to 9 of 15"), "{first}");
    press(&mut state, "j");
    let next = text(&mut state, LOOK, 60, 12);
    assert!(next.contains("lines 2 to 10 of 15"), "{next}");
    press(&mut state, "G");
    let last = text(&mut state, LOOK, 60, 12);
    assert!(last.contains("this help"), "{last}");
    // It went no further than there is something to see.
    press(&mut state, "k");
    assert!(text(&mut state, LOOK, 60, 12).contains("lines 6 to 14 of 15"));
    press(&mut state, "?");
    assert!(text(&mut state, LOOK, 60, 12).contains("1 workers"));
}

#[test]
fn what_a_command_prints_begins_with_its_last_line() {
    let mut state = state(run(&[100]));
    press(&mut state, "o");
    state.output = Some(
        (1..=50)
            .map(|line| format!("line number {line}."))
            .collect(),
    );
    let last = text(&mut state, LOOK, 60, 12);
    assert!(last.contains("line number 50."), "{last}");
    assert!(!last.contains("line number 41."), "{last}");
    press(&mut state, "k");
    let before = text(&mut state, LOOK, 60, 12);
    assert!(before.contains("line number 41."), "{before}");
    assert!(!before.contains("line number 50."), "{before}");
    press(&mut state, "g");
    assert!(text(&mut state, LOOK, 60, 12).contains("line number 1."));
}

#[test]
fn a_long_message_is_whole_or_has_both_ends() {
    let mut state = state(run(&[100]));
    let path = format!("/srv/{}/cowtrace-20260101T000000.html", "deep/".repeat(8));
    state.message = Some(format!("report written: {path}"));
    let whole = text(&mut state, LOOK, 60, 12);
    assert!(joined(&whole).contains(&path), "{whole}");
    state.message = Some(format!(
        "report written: {}{path}",
        "/srv/deeper".repeat(30)
    ));
    let short = text(&mut state, LOOK, 60, 12);
    assert!(short.contains("report written: /srv"), "{short}");
    assert!(
        joined(&short).contains("/cowtrace-20260101T000000.html"),
        "{short}"
    );
    assert!(short.contains("1 workers"), "{short}");
}

#[test]
fn keys_that_ask_for_something_say_so() {
    let mut state = state(run(&[5_000]));
    assert_eq!(press(&mut state, "q"), Action::End);
    assert_eq!(press(&mut state, "w"), Action::WriteReport);
    assert_eq!(press(&mut state, "x"), Action::Nothing);
    for (letter, expected) in [
        ('c', Action::End),
        ('\\', Action::End),
        ('4', Action::End),
        ('z', Action::Suspend),
    ] {
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert_eq!(state.on_key(key), expected);
    }
}
