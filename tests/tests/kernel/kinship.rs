//! What the children of a traced process are: forks, which inherit, or programs of their own, which do not.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use cowtrace_tests::{
    pythons::{Interpreter, walkable},
    report::{Report, number},
    tracer::{Tracer, can_trace, program},
    workload::Service,
};
use serde_json::Value;

const SCRIPT: &str = include_str!("kinship.py");
/// What the forkserver loads in advance.
const DATA: &str = "from kinship import load\nRECORDS = load()\n";
const WORKERS: usize = 2;
const OLDEST_WITH_LINES: (u32, u32) = (3, 11);
/// The interpreter's own pages that are copied meanwhile: 20 to 60 of 20,000.
const LEAST_SHARE: f64 = 0.95;

/// The scripts, in a folder of the test.
struct Scripts(PathBuf);

impl Scripts {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("cowtrace-kinship-{}-{name}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("kinship.py"), SCRIPT).expect("the script");
        fs::write(folder.join("kinship_data.py"), DATA).expect("the data");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn start(&self, python: &Interpreter, mode: &str) -> Service {
        let mut command = python.command();
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        // Some forkservers look for modules nowhere else.
        command.env("PYTHONPATH", &self.0);
        Service::start(command.arg(self.path("kinship.py")).arg(mode))
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A trace of a service, with its recording.
fn recorded(scripts: &Scripts, service: &Service) -> (Tracer, PathBuf) {
    let recording = scripts.path("run.cow");
    let path = recording.to_str().expect("a plain path");
    let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-o", path]);
    (tracer, recording)
}

/// The oldest and the newest Python whose lines are known, and that can start itself again.
fn some() -> Vec<Interpreter> {
    let mut found = walkable();
    found.retain(|python| {
        !python.is_free && python.starts_itself() && python.version >= OLDEST_WITH_LINES
    });
    let last = found.split_off(found.len() - 1);
    found.truncate(1);
    found.extend(last);
    found
}

fn share_of(report: &Report, pages: u64) -> f64 {
    pages as f64 / number(&report.0["totals"], "copied_pages") as f64
}

/// Of all copies, those of a type, on a line of some functions, and of a variable.
#[track_caller]
fn expect_told(python: &Interpreter, report: &Report, [of_type, function, variable]: [&str; 3]) {
    let by_type = report.written(|writer| writer["type"] == of_type || writer["type"] == "str");
    let by_line = report.written(|writer| {
        let frames = writer["python"].as_array().map_or(&[][..], Vec::as_slice);
        let name = |frame: &Value| frame["function"].as_str().unwrap_or_default().to_owned();
        let is_it = |frame: &Value| function.split(' ').any(|it| name(frame).starts_with(it));
        frames.iter().any(is_it)
    });
    let holders = report.0["holders"].as_array().expect("holders");
    let held = holders.iter().find(|holder| holder["path"] == variable);
    let held = held.map_or(0, |holder| number(holder, "copied_pages"));
    for (what, pages) in [("type", by_type), ("line", by_line), ("variable", held)] {
        assert!(
            share_of(report, pages) > LEAST_SHARE,
            "{python}: {pages} by {what}; {}; {holders:#?}",
            report.top_writers()
        );
    }
}

fn commands(report: &Report) -> Vec<&str> {
    let processes = report.0["processes"].as_array().expect("processes");
    let commands = processes.iter().filter_map(|it| it["command"].as_str());
    commands.collect()
}

/// The text of the report, its lines joined.
fn words_of_report(recording: &Path) -> String {
    let mut command = Command::new(program("cowtrace"));
    let output = command.arg("report").arg(recording).output();
    let text = String::from_utf8_lossy(&output.expect("cowtrace runs").stdout).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_forkservers_children_are_told_as_those_of_a_master() {
    if !can_trace("forkserver") {
        return;
    }
    for python in some() {
        let scripts = Scripts::new("forkserver");
        let mut service = scripts.start(&python, "forkserver");
        let workers = service.answer();
        let workers = workers["workers"].as_array().expect("pids").len();
        assert_eq!(workers, WORKERS);
        let (tracer, recording) = recorded(&scripts, &service);
        service.say("go");
        service.answer();
        let report = tracer.stop();
        let told = ["kinship.Record", "use work", "kinship_data.RECORDS"];
        expect_told(&python, &report, told);
        assert!(
            commands(&report).contains(&"kinship.py forkserver"),
            "{:?}",
            commands(&report)
        );
        let words = words_of_report(&recording);
        assert!(
            words.contains("2 forked from multiprocessing.forkserver ("),
            "{python}: {words}"
        );
        assert!(words.contains("2 started anew ("), "{python}: {words}");
        // What they inherited is the forkserver's, three processes' worth otherwise.
        let inherited: Vec<u64> = report.0["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .filter_map(|it| it["inherited_pages"].as_u64())
            .collect();
        assert_eq!(inherited.len(), WORKERS, "{inherited:?}");
        service.say("end");
        service.end();
    }
}

#[test]
fn a_service_below_a_launcher_is_told_as_if_it_were_traced_itself() {
    if !can_trace("launcher") {
        return;
    }
    for python in some() {
        let scripts = Scripts::new("launcher");
        let mut service = scripts.start(&python, "launcher");
        let master = number(&service.answer(), "master");
        assert_ne!(master, u64::from(service.pid()));
        let recording = scripts.path("run.cow");
        let ready = scripts.path("ready");
        let tracer = Tracer::start(&[
            "--pid",
            &service.pid().to_string(),
            "--ready-file",
            ready.to_str().expect("a plain path"),
            "-o",
            recording.to_str().expect("a plain path"),
        ]);
        // It says that it traces right before or after.
        while !ready.exists() {
            std::thread::yield_now();
        }
        let said = fs::read_to_string(&ready).expect("the ready file");
        assert!(
            said.is_empty() || said == format!("{}\n", tracer.pid()),
            "{said}"
        );
        service.say("go");
        for _ in 0..WORKERS {
            assert_eq!(service.answer()["done"], true);
        }
        let report = tracer.stop();
        assert!(!ready.exists(), "the trace has ended");
        let told = ["__main__.Record", "use", "service() local records"];
        expect_told(&python, &report, told);
        let words = words_of_report(&recording);
        let kinship = format!("2 forked from kinship.py ({master}); 1 started anew (kinship.py)");
        assert!(words.contains(&kinship), "{python}: {words}");
        service.say("end");
        service.end();
    }
}

#[test]
fn only_a_fork_is_said_to_have_its_parents_memory() {
    if !can_trace("kinship-hint") {
        return;
    }
    let python = &walkable()[0];
    let scripts = Scripts::new("hint");
    let mut service = scripts.start(python, "launcher");
    let master = number(&service.answer(), "master");
    let children = format!("/proc/{master}/task/{master}/children");
    let children = fs::read_to_string(children).expect("the kernel lists children");
    let worker = children.split_whitespace().next().expect("a worker");
    let hint_for = |pid: &str| {
        let mut command = Command::new(program("cowtrace"));
        let output = command
            .args(["--no-keep", "-d", "1ms", "--pid", pid])
            .output();
        let output = output.expect("cowtrace runs");
        let [at_once, in_report] = [output.stderr, output.stdout].map(|said| {
            let said = String::from_utf8_lossy(&said).into_owned();
            let words: Vec<&str> = said.split_whitespace().collect();
            words.join(" ").contains("is itself a child of")
        });
        assert_eq!(at_once, in_report);
        at_once
    };
    assert!(hint_for(worker));
    assert!(!hint_for(&master.to_string()), "its launcher started it");
    service.say("go");
    for _ in 0..WORKERS {
        service.answer();
    }
    service.say("end");
    service.end();
}

#[test]
fn what_was_spawned_inherits_nothing() {
    if !can_trace("spawn") {
        return;
    }
    let python = some().pop().expect("a Python");
    let scripts = Scripts::new("spawn");
    let mut service = scripts.start(&python, "spawned");
    service.answer();
    let (tracer, recording) = recorded(&scripts, &service);
    service.say("go");
    service.answer();
    let report = tracer.stop();
    service.say("end");
    assert_eq!(number(&report.0["totals"], "copied_pages"), 0);
    let processes = report.0["processes"].as_array().expect("processes");
    let inherits = |it: &&Value| it["inherited_pages"].as_u64().is_some();
    assert_eq!(
        processes.iter().filter(inherits).count(),
        0,
        "{processes:#?}"
    );
    // The pool's workers, and the tracker of its semaphores.
    let words = words_of_report(&recording);
    let told = format!(
        "{} processes that were started anew (2 multiprocessing.spawn, multiprocessing.resource_tracker)",
        WORKERS + 1
    );
    assert!(words.contains(&told), "{words}");
    assert!(!words.contains("of at most"), "no ceiling: {words}");
}

/// Pages that two forks of a Python copy until they are other programs, their parent meanwhile, and the other programs
/// of their files: some 480. Inheritors that read the data would copy 10,000.
const UNTIL_EXEC: u64 = 1_000;

/// As Node's cluster, and whoever starts workers by fork and exec.
#[test]
fn workers_that_are_programs_of_their_own_are_no_inheritors() {
    if !can_trace("executed") {
        return;
    }
    let python = some().pop().expect("a Python");
    for is_started_before in [true, false] {
        let scripts = Scripts::new("executed");
        let mut service = scripts.start(&python, "executed");
        service.answer();
        let start = |service: &mut Service| -> Vec<u32> {
            service.say("start");
            let mut worker = || u32::try_from(number(&service.answer(), "worker")).expect("a pid");
            (0..WORKERS).map(|_| worker()).collect()
        };
        let before = is_started_before.then(|| start(&mut service));
        let (tracer, recording) = recorded(&scripts, &service);
        let workers = before.unwrap_or_else(|| start(&mut service));
        let report = tracer.stop();
        service.say("end");
        service.end();
        let words = words_of_report(&recording);
        println!("{is_started_before}: {words}");
        let copied = number(&report.0["totals"], "copied_pages");
        let most = if is_started_before { 0 } else { UNTIL_EXEC };
        assert!(copied <= most, "{copied} copied; {}", report.top_writers());
        for worker in workers {
            let images = report.images(worker);
            let last = images.last().expect("it was traced");
            assert!(last["inherited_pages"].is_null(), "{last}");
            assert_eq!(last["started_anew"], true, "{last}");
        }
        let told = format!("{WORKERS} processes that were started anew ({WORKERS} kinship.py)");
        assert!(words.contains(&told), "{words}");
        assert!(!words.contains("of at most"), "no ceiling: {words}");
        assert_eq!(number(&report.0["verdict"], "ceiling_bytes"), 0);
    }
}
