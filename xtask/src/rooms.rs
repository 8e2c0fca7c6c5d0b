//! The rooms of a crate and which may use which. Rooms are the files and folders at the top of its
//! sources.
//!
//! The test of each crate lists its rooms, lowest first, each with the rooms that it uses. Any
//! other use fails. A use in the list that nothing needs fails too, so that the list stays a true
//! map.

mod imports;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use imports::Uses;

/// A room, and the lower rooms that it uses.
type Room = (&'static str, &'static [&'static str]);

/// All violations of the list, one per line.
fn against(rooms: &[Room], uses: &Uses) -> Vec<String> {
    let mut faults = downwards_only(rooms);
    let mut needed = BTreeSet::new();
    for (file, targets) in uses {
        let Some((from, allowed)) = room_of(rooms, file) else {
            faults.push(format!("{file} is in no room of the list"));
            continue;
        };
        for target in targets {
            let Some((to, _)) = room_of(rooms, target) else {
                continue;
            };
            needed.insert((from, to));
            if from != to && !allowed.contains(&to) {
                faults.push(format!("{file} uses {target}: {from} may not use {to}"));
            }
        }
    }
    for (room, allowed) in rooms {
        let idle = allowed.iter().filter(|to| !needed.contains(&(*room, **to)));
        faults.extend(idle.map(|to| format!("{room} does not use {to}: take it off the list")));
    }
    faults.extend(
        circles(uses)
            .iter()
            .map(|circle| format!("a circle: {circle}")),
    );
    faults
}

/// Uses in the list that lead to a room which is not listed before it, and so is not lower.
fn downwards_only(rooms: &[Room]) -> Vec<String> {
    let place = |name: &str| rooms.iter().position(|(room, _)| *room == name);
    let pairs = rooms
        .iter()
        .flat_map(|(room, to)| to.iter().map(move |to| (*room, *to)));
    pairs
        .filter(|(room, to)| place(to).is_none_or(|place_of| Some(place_of) >= place(room)))
        .map(|(room, to)| {
            format!("{room} may not use {to}: it does not stand before it in the list")
        })
        .collect()
}

/// The room of a file: the innermost one if rooms are nested.
fn room_of(rooms: &[Room], file: &str) -> Option<Room> {
    let is_in = |room: &str| {
        let rest = file.strip_prefix(room);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = rooms.iter().filter(|(room, _)| is_in(room));
    found.max_by_key(|(room, _)| room.len()).copied()
}

/// Circles of files that use each other, each once.
fn circles(uses: &Uses) -> Vec<String> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = uses
        .keys()
        .map(|file| (file.as_str(), reachable(uses, file)))
        .collect();
    let mut found = BTreeSet::new();
    for (file, targets) in &reached {
        let back = targets
            .iter()
            .filter(|target| reached.get(*target).is_some_and(|of| of.contains(file)));
        let circle: Vec<&str> = back.copied().collect();
        if !circle.is_empty() {
            found.insert(circle.join(", "));
        }
    }
    found.into_iter().collect()
}

fn reachable<'a>(uses: &'a Uses, file: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = uses[file].iter().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(uses.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// Checks a crate of this workspace.
fn check(sources: &str, root: &str, rooms: &[Room]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(sources);
    let uses = imports::of_crate(&folder, root).unwrap();
    assert!(
        uses.len() >= rooms.len(),
        "{sources} has {} files",
        uses.len()
    );
    let faults = against(rooms, &uses);
    assert!(faults.is_empty(), "{sources}:\n{}", faults.join("\n"));
}

#[test]
fn the_kernel_sides_rooms_use_only_those_below() {
    let rooms: &[Room] = &[
        ("atomic", &[]),
        ("digest", &[]),
        ("walk", &[]),
        ("maps", &["atomic", "walk"]),
        ("kernel", &["digest", "maps"]),
        ("thread", &["maps"]),
        ("program", &["maps"]),
        ("range", &["atomic", "maps"]),
        (
            "evidence",
            &["digest", "kernel", "maps", "program", "thread", "walk"],
        ),
        ("fault", &["atomic", "evidence", "maps", "range", "thread"]),
        (
            "process",
            &["atomic", "fault", "kernel", "maps", "program", "thread"],
        ),
        (
            "hooks",
            &[
                "evidence", "fault", "kernel", "maps", "process", "program", "thread", "walk",
            ],
        ),
        ("main", &["hooks", "kernel", "thread"]),
    ];
    check("cowtrace-ebpf/src", "main.rs", rooms);
}

#[test]
fn the_rooms_of_the_user_side_use_only_those_below() {
    let rooms: &[Room] = &[
        ("foreign", &[]),
        ("limits", &[]),
        ("stop", &[]),
        ("streams", &[]),
        ("run", &[]),
        ("redact", &["run"]),
        ("words", &["foreign", "run"]),
        ("terminal", &["words"]),
        ("verdict", &["foreign", "run", "words"]),
        (
            "report",
            &["foreign", "run", "terminal", "verdict", "words"],
        ),
        ("diff", &["foreign", "run", "terminal", "verdict", "words"]),
        ("itself", &["foreign", "streams"]),
        ("watch", &["itself", "run"]),
        ("output", &["foreign", "itself"]),
        ("recording", &["foreign", "itself", "output", "run"]),
        ("kept", &["foreign", "itself", "output", "recording"]),
        ("memory", &["run"]),
        (
            "live",
            &[
                "foreign", "itself", "report", "run", "streams", "terminal", "verdict", "watch",
                "words",
            ],
        ),
        (
            "export",
            &[
                "foreign", "itself", "memory", "report", "run", "verdict", "watch", "words",
            ],
        ),
        ("targets", &["foreign", "itself", "memory", "run"]),
        ("probe", &["foreign", "memory"]),
        ("native", &["itself", "memory", "run"]),
        ("runtime", &["memory", "native", "run", "stop"]),
        ("writer", &["native", "run", "runtime"]),
        (
            "collect",
            &[
                "memory", "native", "probe", "run", "runtime", "stop", "targets", "writer",
            ],
        ),
        ("cli", &["foreign", "itself", "memory", "targets"]),
        (
            "command",
            &[
                "cli",
                "collect",
                "diff",
                "export",
                "foreign",
                "itself",
                "kept",
                "limits",
                "live",
                "memory",
                "native",
                "output",
                "probe",
                "recording",
                "redact",
                "report",
                "run",
                "runtime",
                "stop",
                "streams",
                "targets",
                "terminal",
                "watch",
                "words",
            ],
        ),
        ("main", &[]),
    ];
    check("cowtrace/src", "lib.rs", rooms);
}

mod tests {
    use super::*;

    const ROOMS: &[Room] = &[
        ("low", &[]),
        ("mid", &["low"]),
        ("mid/own", &["low"]),
        ("top", &["mid"]),
    ];

    fn faults(uses: &[(&str, &[&str])]) -> Vec<String> {
        let own = |(file, targets): &(&str, &[&str])| {
            (
                (*file).to_owned(),
                targets.iter().map(|target| (*target).to_owned()).collect(),
            )
        };
        let all: &[(&str, &[&str])] = &[
            ("mid/x", &["low"]),
            ("mid/own/x", &["low"]),
            ("top", &["mid/x"]),
        ];
        let mut found: Uses = all.iter().map(own).collect();
        for (file, targets) in uses.iter().map(own) {
            let targets: BTreeSet<String> = targets;
            found.entry(file).or_default().extend(targets);
        }
        against(ROOMS, &found)
    }

    #[test]
    fn a_sound_crate_has_no_faults() {
        assert_eq!(faults(&[("low", &[])]), [""; 0]);
    }

    #[test]
    fn a_use_that_is_not_on_the_list_is_a_fault() {
        assert_eq!(
            faults(&[("top", &["low"])]),
            ["top uses low: top may not use low"]
        );
        assert_eq!(
            faults(&[("mid/x", &["mid/own/x"])]),
            ["mid/x uses mid/own/x: mid may not use mid/own"]
        );
        assert_eq!(faults(&[("new", &[])]), ["new is in no room of the list"]);
    }

    #[test]
    fn files_of_a_room_may_not_use_each_other() {
        assert_eq!(
            faults(&[("low/a", &["low/b"]), ("low/b", &["low/c"])]),
            [""; 0]
        );
        let circle = faults(&[
            ("low/a", &["low/b"]),
            ("low/b", &["low/c"]),
            ("low/c", &["low/a"]),
        ]);
        assert_eq!(circle, ["a circle: low/a, low/b, low/c"]);
    }

    #[test]
    fn a_list_names_no_use_upwards_and_none_that_nothing_needs() {
        let rooms: &[Room] = &[("low", &["top"]), ("top", &[])];
        let uses = Uses::from([
            ("low".into(), BTreeSet::new()),
            ("top".into(), BTreeSet::new()),
        ]);
        assert_eq!(
            against(rooms, &uses),
            [
                "low may not use top: it does not stand before it in the list",
                "low does not use top: take it off the list"
            ]
        );
    }
}
