//! Where `cowtrace heap` finds data: in every interpreter of a process, in slots, mappings, classes and tasks.

use std::{thread, time::Duration};

use cowtrace_tests::{
    command::cowtrace,
    pythons::{Interpreter, walkable},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("heap_places.py");
/// Each place has more, bytes: 20,000 texts, or 4 MiB.
const LEAST: u64 = 1 << 20;

fn has_interpreters(python: &Interpreter) -> bool {
    let ask = "import sys; __import__('_interpreters' if sys.version_info >= (3, 13) else '_xxsubinterpreters')";
    let tried = python.command().args(["-c", ask]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// What each variable has, bytes.
fn variables(pid: u32) -> Vec<(String, u64)> {
    let output = cowtrace(&["heap", "--pid", &pid.to_string(), "-f", "json"]);
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let all = found["variables"].as_array().expect("variables").iter();
    all.map(|it| {
        let path = it["path"].as_str().expect("a path").to_owned();
        (path, it["bytes"].as_u64().expect("bytes"))
    })
    .collect()
}

#[test]
fn data_is_found_in_every_place_where_programs_keep_it() {
    let mut tried = 0;
    for python in walkable().into_iter().filter(has_interpreters) {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        let expected = service.answer();
        thread::sleep(Duration::from_millis(200));
        let found = variables(service.pid());
        service.say("end");
        service.end();
        for path in expected.as_array().expect("paths") {
            let path = path.as_str().expect("a path");
            let it = found.iter().find(|(known, _)| known == path);
            assert!(
                it.is_some_and(|(_, bytes)| *bytes >= LEAST),
                "{python}: {path} has {it:?}; {found:#?}"
            );
        }
        tried += 1;
    }
    assert!(tried > 1, "no Python here has other interpreters");
}
