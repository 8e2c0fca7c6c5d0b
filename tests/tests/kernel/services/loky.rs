//! joblib's loky, whose workers are started anew: they share nothing, whether they were there before or start in the
//! trace.

use cowtrace_tests::{
    pythons::Interpreter,
    report::{Report, number},
    tracer::can_trace,
    workload::Service,
};

use super::{
    python::{SCRIPTS, command_with, versions},
    told::Recorded,
};

const STARTED: &str =
    "4 processes that were started anew (2 joblib.extern…y.backend.popen_loky_posix";
/// Pages of memory that were copied while they were started: of their parent, before they were programs of their own.
/// What a new program copies of its files is no inherited memory: some 330 pages.
const WHILE_STARTING: u64 = 100;

/// The report and the words of a trace in which the parent has jobs done.
fn traced(python: &Interpreter, is_started_before: bool) -> (Report, String) {
    let mut command = command_with(python, "joblib");
    let mut service = Service::start(command.arg(format!("{SCRIPTS}/loky_service.py")));
    let work = |service: &mut Service| {
        service.say("work");
        assert!(number(&service.answer(), "total") > 0);
    };
    if is_started_before {
        work(&mut service);
    }
    let recorded = Recorded::start(service.pid());
    work(&mut service);
    let told = recorded.stop();
    service.end();
    told
}

#[test]
fn workers_of_loky_share_nothing() {
    if !can_trace("loky") {
        return;
    }
    let mut found = versions();
    found.retain(Interpreter::starts_itself);
    let python = found.pop().expect("an installed Python");
    for is_started_before in [true, false] {
        let (report, words) = traced(&python, is_started_before);
        let copied = report.by_source("anon");
        println!("{python}: {copied} copied, {is_started_before}");
        let most = if is_started_before { 0 } else { WHILE_STARTING };
        assert!(copied <= most, "{copied} copied; {}", report.top_writers());
        assert!(words.contains(STARTED), "{words}");
        assert!(!words.contains("of at most"), "no ceiling: {words}");
        assert_eq!(number(&report.0["verdict"], "ceiling_bytes"), 0);
    }
}
