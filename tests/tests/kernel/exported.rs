//! What is served while a trace runs, to a real Prometheus.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    pythons::interpreters,
    recorded::{Folder, reported},
    report::{Report, number},
    tracer::{Tracer, can_trace},
    web,
    workload::Service,
};

use super::{
    contributed::expressions_of_dashboard,
    prometheus::{Prometheus, program},
};

const SERVICE: &str = include_str!("exported.py");
const PAGE: f64 = 4_096.0;
const PATIENCE: Duration = Duration::from_mins(1);

/// A master of CPython under the control of the test, and a trace of it.
struct Traced {
    service: Service,
    tracer: Tracer,
    address: String,
    folder: Folder,
}

impl Traced {
    fn start(name: &str) -> Self {
        let python = interpreters().pop().expect("a CPython");
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        assert_eq!(service.answer(), "ready");
        let folder = Folder::new(name);
        let pid = service.pid().to_string();
        let recording = folder.path("run.cow");
        let listen = ["--listen", "127.0.0.1:0"];
        let mut tracer = Tracer::start(&[&["--pid", &pid, "-o", &recording], &listen[..]].concat());
        Self {
            address: tracer.hear_after("metrics at http://", '/'),
            service,
            tracer,
            folder,
        }
    }

    fn tell(&mut self, what: &str) {
        self.service.say(what);
        assert_eq!(self.service.answer(), "done");
    }

    /// The report of the trace so far.
    fn report(&self) -> Report {
        Report::parse(&reported(&self.folder.path("run.cow"), "json"))
    }

    fn metrics(&self, headers: &str) -> String {
        let answer = web::get(&self.address, "/metrics", headers);
        answer.expect("cowtrace serves").text()
    }

    fn end(self) -> Report {
        let report = self.tracer.stop();
        self.service.end();
        report
    }
}

/// `promtool check metrics`, by what it reads.
#[track_caller]
fn expect_lawful(metrics: &str) {
    let mut promtool = Command::new(program("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = promtool.stdin.take().expect("its input is piped");
    input.write_all(metrics.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{said}\n{metrics}"
    );
}

#[test]
fn prometheus_shows_what_the_report_says_and_no_worker_leaves_a_series() {
    if !can_trace("prometheus_shows_what_the_report_says_and_no_worker_leaves_a_series") {
        return;
    }
    let mut traced = Traced::start("exported");
    let prometheus = Prometheus::start(&traced.folder, &traced.address);
    for pages in ["100", "300", "200"] {
        traced.tell(pages);
    }
    prometheus.wait_for("cowtrace_workers", 3.0);
    expect_lawful(&traced.metrics(""));
    // The service is at rest now: both get to say the same.
    let begun = Instant::now();
    loop {
        let of_report = number(&traced.report().0["totals"], "copied_bytes") as f64;
        let of_metrics = prometheus.ask("sum(cowtrace_copied_bytes_total)");
        if of_report >= 600.0 * PAGE && of_metrics == Some(of_report) {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{of_metrics:?} bytes, not {of_report}"
        );
        thread::sleep(Duration::from_millis(100));
    }
    let value = |expression: &str| prometheus.ask(expression).expect(expression);
    // Beside these pages, a worker of CPython writes some hundred of its own data after a fork.
    for (stat, pages) in [("min", 100.0), ("median", 200.0), ("max", 300.0)] {
        let unshared = value(&format!(
            "cowtrace_worker_unshared_bytes{{stat=\"{stat}\"}}"
        )) / PAGE;
        assert!(
            (pages..pages + 600.0).contains(&unshared),
            "{stat}: {unshared}"
        );
    }
    assert!(value("cowtrace_inherited_bytes") >= 3.0 * 2_000.0 * PAGE);
    prometheus.wait_for("sum(cowtrace_verdict)", 1.0);
    let all = "count({__name__=~\"cowtrace_.+|process_.+\"})";
    let series = value(all);
    traced.tell("churn 50");
    prometheus.wait_for("cowtrace_forks_total", 53.0);
    prometheus.wait_for("cowtrace_exits_total", 50.0);
    prometheus.wait_for("cowtrace_workers", 3.0);
    assert!((value(all) - series).abs() < 0.5, "{series}");
    for counter in [
        "copied_bytes",
        "written_bytes",
        "reused_faults",
        "forks",
        "exits",
    ] {
        assert!(value(&format!("sum(resets(cowtrace_{counter}_total[5m]))")) < 0.5);
    }
    assert!(value("sum(cowtrace_lost_total)") < 0.5);
    // Prometheus asked for the newer form of text, and understood it.
    assert!(value("min_over_time(up[1m])") > 0.5);
    for expression in expressions_of_dashboard() {
        // Some have nothing to show here; none is refused.
        let _ = prometheus.ask(&expression);
    }
    let counted = value("sum(cowtrace_copied_bytes_total)");
    let report = traced.end();
    assert!(number(&report.0["totals"], "copied_bytes") as f64 >= counted);
}

#[test]
fn a_profile_is_pulled_while_the_service_writes() {
    if !can_trace("a_profile_is_pulled_while_the_service_writes") {
        return;
    }
    let mut traced = Traced::start("pulled");
    traced.tell("1500");
    traced.tracer.has_looked();
    traced.tell("slowly");
    let path = "/debug/pprof/cow?seconds=2";
    let answer = web::get(&traced.address, path, "").expect("cowtrace serves");
    assert!(answer.head.contains(" 200 "), "{answer:?}");
    let file = traced.folder.path("cow.pb.gz");
    fs::write(&file, &answer.body).expect("the folder is there");
    let unzipped = Command::new("gzip").args(["-dc", &file]).output();
    let profile = unzipped.expect("gzip is there").stdout;
    let profile = String::from_utf8_lossy(&profile);
    assert!(profile.contains("write_slowly"), "{profile:?}");
    // What was written before is not of these seconds.
    assert!(!profile.contains("write_some"), "{profile:?}");
    let _ = traced.end();
}

#[test]
fn functions_get_their_names_while_the_trace_runs() {
    if !can_trace("functions_get_their_names_while_the_trace_runs") {
        return;
    }
    let mut traced = Traced::start("named");
    traced.tell("1500");
    let begun = Instant::now();
    loop {
        let report = traced.report().0;
        assert_eq!(report["run"]["unfinished"], true);
        let writers = report["writers"].as_array().into_iter().flatten();
        // CPython's own functions have names, also where its debug information is not there.
        let mut functions = writers.filter_map(|it| it["function"].as_str());
        if functions.any(|function| !function.contains("+0x")) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", report["writers"]);
        thread::sleep(Duration::from_millis(200));
    }
    let _ = traced.end();
}

#[test]
fn an_address_that_cannot_be_had_ends_it_before_it_traces() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let own = std::process::id().to_string();
    for (listen, says) in [
        (address.as_str(), "Address already in use"),
        ("localhost:9435", "write it like 127.0.0.1:9435"),
        ("127.0.0.1:99999", "write it like 127.0.0.1:9435"),
        ("80000", "give a port alone, up to 65535"),
        ("192.0.2.1:9435", "cannot listen on 192.0.2.1:9435"),
    ] {
        let output = cowtrace_tests::command::cowtrace(&["--pid", &own, "--listen", listen]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{said}");
    }
}
