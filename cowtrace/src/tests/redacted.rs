//! A redacted run shows no name of what ran, in no format, and all figures.

use std::{fs, io::Read as _};

use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::{
    recording::{RecordingWriter, read_recording},
    redact::redact_run,
    report::{self, Extent, Histogram},
    run::{Run, agreement::agreeing, arbitrary},
    scratch::Scratch,
    terminal::Style,
};

const STORED: [&str; 4] = [
    include_str!("../../../tests/tests/runs/service.json"),
    include_str!("../../../tests/tests/runs/saving.json"),
    include_str!("../../../tests/tests/runs/collecting.json"),
    include_str!("../../../tests/tests/runs/stacks.json"),
];

/// Part of every secret, in lower case.
const SECRET: &str = "zqsecret";

/// Where a name may stand: whatever looks public around it must not save it.
const PLACES: [&str; 26] = [
    "*",
    "*'*",
    "\u{1b}[2J*\n",
    "/srv/*/app.py",
    "/home/*/venv/lib/python3.11/site-packages/*/*.py",
    "/usr/lib/python3.11/*.py",
    "/usr/lib/python3.*/json/encoder.py",
    "/usr/lib/x86_64-linux-gnu/lib*.so.6",
    "libc.so.*",
    "libc-*.so",
    "python3.*",
    "_json.*.so",
    "*.cpython-311-x86_64-linux-gnu.so (deleted)",
    "/memfd:* (deleted)",
    "[bss of *]",
    "[anon:*]",
    "[*]",
    "<frozen *>",
    "<frozen importlib.*>",
    "main() local *.rules[0]['*'].list",
    "dict['a']*",
    "a thread's own*",
    "gunicorn: master [*]",
    "unit *.service",
    "/system.slice/*.service",
    "6.12.*-amd64",
];

/// Fields whose text is one of a few words, so that no other can stand there.
const FEW_WORDS: [&str; 10] = [
    "allocator",
    "by",
    "end",
    "ending",
    "is",
    "kind",
    "part",
    "process_id",
    "role",
    "store",
];

/// Replaces every text of a run, also the keys of labels. Two equal texts stay equal.
fn plant(value: &mut Value, key: &str, next: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) if !FEW_WORDS.contains(&key) => *text = next(text),
        Value::Array(all) => all.iter_mut().for_each(|it| plant(it, key, next)),
        Value::Object(all) if key == "labels" => {
            let renamed: Map<String, Value> = std::mem::take(all)
                .into_iter()
                .map(|(label, _)| (next(&label), Value::String(next("value"))))
                .collect();
            *all = renamed;
        }
        Value::Object(all) => {
            for (key, value) in all {
                plant(value, key, next);
            }
        }
        _ => {}
    }
}

/// A run with a secret in every text, each in one of the places.
fn full_of_secrets(run: &Run, first_place: usize) -> (Run, usize) {
    let mut json = serde_json::to_value(run).unwrap();
    let mut planted = 0;
    plant(&mut json, "", &mut |_| {
        planted += 1;
        let place = PLACES[(first_place + planted) % PLACES.len()];
        place.replace('*', &format!("{SECRET}{planted}"))
    });
    (serde_json::from_value(json).unwrap(), planted)
}

/// All that can be made of a run: every format, and a recording.
fn in_all_formats(run: &Run) -> Vec<(&'static str, Vec<u8>)> {
    let style = Style {
        width: 500,
        color: false,
    };
    let made = |render: &dyn Fn(&mut dyn std::io::Write) -> std::io::Result<()>| {
        let mut out = Vec::new();
        render(&mut out).unwrap();
        out
    };
    let packed = made(&|out| report::run_as_pprof(run, out));
    let mut pprof = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_end(&mut pprof)
        .unwrap();
    let scratch = Scratch::new("redacted");
    let path = scratch.path("run.cow");
    let writer = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
    writer.finish(run).unwrap();
    vec![
        (
            "text",
            made(&|out| report::run_as_text(run, Extent::Full, style, out)),
        ),
        (
            "short",
            made(&|out| report::run_as_text(run, Extent::Short(None), style, out)),
        ),
        (
            "json",
            made(&|out| report::run_as_json(run, Histogram::Whole, out)),
        ),
        ("csv", made(&|out| report::run_as_csv(run, out))),
        ("html", made(&|out| report::run_as_html(run, out))),
        (
            "folded",
            made(&|out| report::run_as_folded_stacks(run, out)),
        ),
        ("pprof", pprof),
        ("recording", fs::read(path).unwrap()),
    ]
}

fn has_secret(bytes: &[u8]) -> bool {
    bytes
        .to_ascii_lowercase()
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes())
}

fn redacted(run: &Run) -> Run {
    let mut run = run.clone();
    redact_run(&mut run);
    run
}

/// All numbers of a value, each with its place.
fn numbers(value: &Value, place: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Number(number) => found.push((place.into(), number.to_string())),
        Value::Array(all) => all.iter().for_each(|it| numbers(it, place, found)),
        Value::Object(all) => {
            for (key, value) in all {
                numbers(value, &format!("{place}.{key}"), found);
            }
        }
        _ => {}
    }
}

fn numbers_of(run: &Run) -> Vec<(String, String)> {
    let mut found = Vec::new();
    numbers(&serde_json::to_value(run).unwrap(), "", &mut found);
    found.sort();
    found
}

#[test]
fn no_text_of_a_service_survives() {
    for stored in STORED {
        let run: Run = serde_json::from_str(stored).unwrap();
        for first_place in 0..PLACES.len() {
            let (run, planted) = full_of_secrets(&run, first_place);
            assert!(planted > 20, "{planted}");
            let before = in_all_formats(&run);
            assert!(before.iter().all(|(_, bytes)| has_secret(bytes)));
            for (format, bytes) in in_all_formats(&redacted(&run)) {
                let text = String::from_utf8_lossy(&bytes);
                assert!(!has_secret(&bytes), "{format}, {first_place}: {text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_of_any_run_survives(run in arbitrary::run(), first_place in 0..PLACES.len()) {
        let (run, _) = full_of_secrets(&run, first_place);
        let run = redacted(&run);
        prop_assert!(!has_secret(serde_json::to_string(&run).unwrap().as_bytes()));
        for (format, bytes) in in_all_formats(&run) {
            prop_assert!(!has_secret(&bytes), "{}", format);
        }
    }

    #[test]
    fn a_redacted_run_is_a_sound_run_with_the_same_figures(run in arbitrary::run()) {
        let mut run = agreeing(run);
        run.head.unfinished = false;
        let redacted = redacted(&run);
        prop_assert_eq!(numbers_of(&redacted), numbers_of(&run));
        let scratch = Scratch::new("redacted-run");
        let path = scratch.path("run.cow");
        let writer = RecordingWriter::create(&path, false, &arbitrary::empty()).unwrap();
        writer.finish(&redacted).unwrap();
        prop_assert_eq!(read_recording(&path).unwrap(), redacted);
    }
}

#[test]
fn public_names_stay_and_equal_names_stay_equal() {
    let run: Run = serde_json::from_str(STORED[0]).unwrap();
    let redacted = redacted(&run);
    let json = serde_json::to_string(&redacted).unwrap();
    for kept in [
        "libpython3.11.so.1.0",
        "gc_collect_main",
        "libc.so.6+0x1234",
        "/usr/lib/python3.11/json/encoder.py",
        "JSONEncoder.iterencode",
        "OrderedDict",
        "[heap]",
        "python3",
        "the processes that had this memory have exited",
    ] {
        assert!(json.contains(kept), "{kept} in {json}");
    }
    for gone in [
        "handlers",
        "Catalogue",
        "tornado",
        "ArticleHandler",
        "sents",
        "evil",
    ] {
        assert!(!json.contains(gone), "{gone} in {json}");
    }
    let files: Vec<&str> = redacted
        .who_wrote
        .python_frames
        .iter()
        .map(|frame| frame.file.as_str())
        .collect();
    assert!(
        files
            .iter()
            .any(|file| file.contains("/lib/python3.11/site-packages/name-")),
        "libraries and the service look different: {files:?}"
    );
    // Two names are equal afterwards if and only if they were before.
    let paths = |run: &Run| -> Vec<String> {
        let holders = run.who_holds.holders.iter();
        holders.map(|holder| holder.path.clone()).collect()
    };
    let (before, after) = (paths(&run), paths(&redacted));
    for (one, redacted_one) in before.iter().zip(&after) {
        for (other, redacted_other) in before.iter().zip(&after) {
            assert_eq!(
                one == other,
                redacted_one == redacted_other,
                "{one}, {other}"
            );
        }
    }
}
