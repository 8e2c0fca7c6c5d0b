//! `cowtrace heap` of a process whose large containers grow while they are read, for every supported
//! `CPython` on this machine: their tables are moved again and again.

use cowtrace_tests::{
    command::cowtrace,
    pythons::{Interpreter, walkable},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("heap_growing.py");
/// As in the program.
const BEFORE: u64 = 200_000;
/// Objects that the adding thread has made and not added when it is asked, or read twice at the ends of a window:
/// one that moves by less than this between two reads of a block of 64 entries.
const BETWEEN: u64 = 64;

/// What a look found of a container that grew meanwhile.
struct LookWhileGrowing {
    /// Entries when the look began, and when it had ended.
    entries: [u64; 2],
    /// Objects found that are made for it alone.
    objects: u64,
    is_partial: bool,
    answer: Value,
}

fn look(python: &Interpreter, kind: &str) -> LookWhileGrowing {
    let mut service = Service::start(python.command().args(["-c", SERVICE, kind]));
    let length = |service: &mut Service| service.answer().as_u64().expect("a length");
    assert_eq!(length(&mut service), BEFORE);
    service.say("length");
    let before = length(&mut service);
    let pid = service.pid().to_string();
    let output = cowtrace(&["heap", "--pid", &pid, "-f", "json"]);
    service.say("length");
    let after = length(&mut service);
    service.end();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let types = answer["types"].as_array().expect("types");
    let items = types.iter().find(|it| it["type"] == "__main__.Item");
    LookWhileGrowing {
        entries: [before, after],
        objects: items.map_or(0, |it| it["objects"].as_u64().expect("a number")),
        is_partial: answer["is_partial"] == true,
        answer,
    }
}

#[test]
fn a_container_that_grows_is_found_whole_or_said_to_be_missing() {
    let mut partial = Vec::new();
    let mut looks = 0;
    for python in walkable() {
        for kind in ["list", "dict", "set", "deque", "ordered"] {
            let found = look(&python, kind);
            looks += 1;
            let [before, after] = found.entries;
            if found.is_partial {
                let unread = found.answer["unread"].as_array().expect("containers");
                assert!(
                    !unread.is_empty(),
                    "{python}, {kind}: {}",
                    found.answer["limits"]
                );
                partial.push(format!("{python}, {kind}: {unread:?}"));
                continue;
            }
            assert!(
                (before..=after + BETWEEN).contains(&found.objects),
                "{python}, {kind}: {} objects of {before} to {after}",
                found.objects
            );
        }
    }
    // A busy machine may need more tries than there are, but not often.
    assert!(partial.len() * 5 <= looks, "{partial:#?} of {looks} looks");
}

#[test]
fn a_window_that_moves_is_found_whole() {
    for python in walkable() {
        let found = look(&python, "window");
        // Of the entries that were there when the look began, any may have been replaced meanwhile; what takes
        // their place is the window's too.
        let is_whole = found.objects + BETWEEN >= BEFORE;
        assert!(
            found.is_partial || is_whole,
            "{python}: {} objects",
            found.objects
        );
    }
}
