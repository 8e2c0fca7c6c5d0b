//! A long trace of services that recycle their workers, with bursts of forks: counts stay exact, and cowtrace does
//! not grow. Some seconds here; `cargo xtask soak` says how long it is to be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    pagemap::pages_moved,
    pythons::interpreters,
    recorded::Folder,
    report::number,
    tracer::{Tracer, can_trace, program},
    workload::Service,
};

use super::prometheus::Prometheus;

/// Environment variable with the seconds that it takes.
const SECONDS: &str = "COWTRACE_SOAK_SECONDS";
const DEFAULT_SECONDS: u64 = 24;
const PYTHON_SERVICE: &str = include_str!("soak.py");
/// Inherited pages of the native service.
const PAGES: &str = "8192";
/// Looks at cowtrace in all.
const LOOKS: u32 = 24;
/// Looks by which it has what it needs: two bursts of forks have been by then.
const WARM: usize = LOOKS as usize / 2;
/// What may come after that: within 24 s not all of what it may keep is kept yet, which was 13 MiB on a quiet machine.
const SPARE_BYTES: u64 = 32 << 20;
/// What it may have for a moment beside that: an early walk takes some 30 MiB.
const MOMENT_BYTES: u64 = 64 << 20;
/// Most bytes that it keeps of each process: of its record alone.
const BYTES_PER_PROCESS: u64 = 400;
const MOST_PROCESSES: u64 = 16_384;

/// What cowtrace has at one time.
#[derive(Clone, Copy, Debug)]
struct Use {
    resident_bytes: u64,
    open_files: usize,
    mappings: usize,
    recording_bytes: u64,
}

impl Use {
    fn of(pid: u32, recording: &Path) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect("cowtrace is there");
        let status = read("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let files = fs::read_dir(folder.join("fd")).expect("cowtrace is there");
        Self {
            resident_bytes: kib.expect("the kernel tells") << 10,
            open_files: files.count(),
            mappings: read("maps").lines().count(),
            recording_bytes: fs::metadata(recording).map_or(0, |file| file.len()),
        }
    }
}

#[test]
fn a_long_trace_stays_exact_and_does_not_grow() {
    if !can_trace("soak") {
        return;
    }
    let seconds =
        std::env::var(SECONDS).map_or(DEFAULT_SECONDS, |text| text.parse().expect("seconds"));
    let moved_before = pages_moved();
    let mut service = Service::start(Command::new(program("workload")).args([
        "soak",
        PAGES,
        &seconds.to_string(),
    ]));
    let ready = service.answer();
    let start = number(&ready["ready"], "start");
    let python = interpreters().pop().expect("a CPython");
    let mut recycling = python
        .command()
        .args(["-c", PYTHON_SERVICE])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("CPython starts");
    let folder = Folder::new("soak");
    let recording = folder.path("soak.cow");
    let (pid, other) = (service.pid().to_string(), recycling.id().to_string());
    let targets = [
        "--name", "native", "--pid", &pid, "--name", "python", "--pid", &other,
    ];
    let more = ["-o", &recording, "--listen", "127.0.0.1:0"];
    let mut tracer = Tracer::start(&[&targets[..], &more[..]].concat());
    let address = tracer.hear_after("metrics at http://", '/');
    let prometheus = Prometheus::start(&folder, &address);
    service.say("begin");
    prometheus.wait_for("count(cowtrace_workers)", 2.0);
    // Without those of living workers, whose parts and statistics come with the first balance.
    let series = "count({__name__=~\"cowtrace_.+\", __name__!~\"cowtrace_(held|worker)_.+\"})";
    let before = prometheus.ask(series);
    let uses = watch(&tracer, recording.as_ref(), Duration::from_secs(seconds));
    expect_watched(&prometheus);
    assert_eq!(prometheus.ask(series), before, "no new series");
    let done = service.answer();
    // Closes its standard input.
    recycling.wait().expect("it ends");
    let report = tracer.stop();
    service.end();
    let region = report.0["regions"].as_array().into_iter().flatten();
    let mut region = region.filter(|region| region["start"] == format!("{start:#x}"));
    let region = region.next().expect("the region of the memory");
    let (copied, processes) = (
        number(&done["done"], "copied"),
        number(&done["done"], "processes"),
    );
    println!(
        "{copied} pages copied by {processes} processes, {}",
        report.0["loss"]
    );
    let moved = pages_moved() - moved_before;
    // A page that the kernel moves, to make room for a large one, has another frame as well. Nothing else may differ.
    assert!(
        number(region, "copied_pages").abs_diff(copied) <= moved,
        "{region} and {copied} by page frames; the kernel moved {moved} pages"
    );
    let processes = processes.min(MOST_PROCESSES);
    expect_no_growth(&uses, SPARE_BYTES + processes * BYTES_PER_PROCESS);
}

/// Prometheus has what both services did, and saw nothing fall.
fn expect_watched(prometheus: &Prometheus) {
    for target in ["native", "python"] {
        let of = |metric: &str| {
            let found = prometheus.ask(&format!("{metric}{{target=\"{target}\"}}"));
            found.unwrap_or_else(|| panic!("no {metric} of {target}"))
        };
        assert!(of("cowtrace_forks_total") > 10.0, "{target}");
        let copied = format!("sum(cowtrace_copied_bytes_total{{target=\"{target}\"}})");
        assert!(prometheus.ask(&copied) > Some(1e6), "{target}");
        // The ceiling: what living workers inherited, and how much of it they no longer share.
        let most = |metric: &str| {
            let most =
                format!("max_over_time(cowtrace_{metric}_bytes{{target=\"{target}\"}}[10m])");
            prometheus.ask(&most)
        };
        let (inherited, unshared) = (most("inherited"), most("unshared"));
        assert!(
            unshared > Some(0.0) && unshared <= inherited,
            "{target}: {unshared:?} of {inherited:?}"
        );
        let verdicts = format!("sum(cowtrace_verdict{{target=\"{target}\"}})");
        assert_eq!(prometheus.ask(&verdicts), Some(1.0), "{target}");
        for counter in ["copied_bytes", "written_bytes", "forks", "exits"] {
            let falls =
                format!("sum(resets(cowtrace_{counter}_total{{target=\"{target}\"}}[10m]))");
            assert_eq!(prometheus.ask(&falls), Some(0.0), "{target}: {counter}");
        }
    }
}

/// Looks at cowtrace from time to time.
fn watch(tracer: &Tracer, recording: &Path, time: Duration) -> Vec<Use> {
    let begun = Instant::now();
    let looks = (1..=LOOKS).map(|look| {
        thread::sleep((time * look / LOOKS).saturating_sub(begun.elapsed()));
        let used = Use::of(tracer.pid(), recording);
        println!("{:6.0} s: {used:?}", begun.elapsed().as_secs_f64());
        used
    });
    looks.collect()
}

/// From the time on when it had what it needs, it takes no more but what it keeps of each process.
#[track_caller]
fn expect_no_growth(uses: &[Use], allowed_bytes: u64) {
    let (before, after) = uses.split_at(WARM);
    let most = |of: fn(&Use) -> u64, uses: &[Use]| uses.iter().map(of).max().unwrap_or(0);
    // Of several looks the least: cowtrace reads the services from time to time, and takes more memory while it does.
    let resident = |uses: &[Use]| uses.iter().map(|used| used.resident_bytes).min();
    let (_, warm) = before.split_at(WARM / 2);
    let (_, end) = after.split_at(after.len() / 2);
    let (warm, end) = (resident(warm).unwrap_or(0), resident(end).unwrap_or(0));
    assert!(end <= warm + allowed_bytes, "{warm} and {end}: {uses:#?}");
    assert!(
        most(|used| used.resident_bytes, after) <= end.max(warm) + MOMENT_BYTES,
        "{uses:#?}"
    );
    let recorded = |used: &Use| used.recording_bytes;
    assert!(
        most(recorded, after) <= most(recorded, before) + allowed_bytes,
        "{uses:#?}"
    );
    // Files and mappings of processes that are being looked at come and go: as many as live at one time.
    let files = |used: &Use| used.open_files as u64;
    assert!(most(files, after) <= most(files, before) + 16, "{uses:#?}");
    let mappings = |used: &Use| used.mappings as u64;
    assert!(
        most(mappings, after) <= most(mappings, before) + 64,
        "{uses:#?}"
    );
}
