//! The server as a client sees it: what it serves, and what it does with a client that means no good.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    figures::Figures,
    metrics::{TextForm, metrics_as_text},
    server::Exporter,
};
use crate::{
    run::{Process, Role, Run, Sources, TracedTarget, WhoWrote, WriteKind, Writer},
    watch::{Moment, Viewer},
};

const PAGE: u64 = 4_096;

fn process(id: u32, role: Role, anon: u64) -> Process {
    Process {
        id,
        pid: id + 100,
        parent_id: (role == Role::Worker).then_some(1),
        comm: "app".into(),
        role,
        target: None,
        started_ns: u64::from(role == Role::Worker) * 5,
        exited_ns: None,
        exit: None,
        copied: Sources {
            anon,
            ..Sources::default()
        },
        reused_faults: 3,
        inherited_pages: (role == Role::Worker).then_some(1_000),
    }
}

/// A master, and workers that copied these pages.
fn run(copied: &[u64]) -> Run {
    let mut run = Run::default();
    run.head.host.page_bytes = PAGE;
    run.head.backend = "tracepoint".into();
    run.memory.processes.push(process(1, Role::Master, 0));
    for (id, pages) in (2..).zip(copied) {
        run.memory.processes.push(process(id, Role::Worker, *pages));
    }
    run.who_wrote = WhoWrote {
        writers: vec![Writer {
            kind: WriteKind::Gc,
            type_name: None,
            function: None,
            module: None,
            inlined: Vec::new(),
            system_call: None,
            region_id: None,
            python_stack: None,
            native_stack: None,
            store: None,
            copied_pages: copied.iter().sum(),
        }],
        ..WhoWrote::default()
    };
    run
}

fn moment(run: &Run) -> Moment<'_> {
    Moment {
        run,
        taken_at: SystemTime::now(),
        took: Duration::from_millis(2),
    }
}

fn figures(run: &Run) -> Figures {
    Figures::of(moment(run), SystemTime::UNIX_EPOCH)
}

fn text(figures: &Figures) -> String {
    metrics_as_text(figures, TextForm::Prometheus).unwrap()
}

/// The value of a series: a whole number.
fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in {text}"));
    line.trim().parse().unwrap()
}

#[test]
fn counts_and_memory_are_bytes_of_all_workers() {
    let text = text(&figures(&run(&[10, 30, 20])));
    let is = |series: &str, expected: u64| {
        assert_eq!(value(&text, series), expected, "{series}");
    };
    is(
        "cowtrace_copied_bytes_total{target=\"app\",source=\"anon\"}",
        60 * PAGE,
    );
    is(
        "cowtrace_written_bytes_total{target=\"app\",kind=\"gc\"}",
        60 * PAGE,
    );
    is("cowtrace_reused_faults_total{target=\"app\"}", 12);
    is("cowtrace_forks_total{target=\"app\"}", 3);
    is("cowtrace_exits_total{target=\"app\"}", 0);
    is("cowtrace_inherited_bytes{target=\"app\"}", 3_000 * PAGE);
    is("cowtrace_unshared_bytes{target=\"app\"}", 60 * PAGE);
    is("cowtrace_workers{target=\"app\"}", 3);
    for (stat, pages) in [("min", 10), ("median", 20), ("max", 30)] {
        let series = format!("cowtrace_worker_unshared_bytes{{target=\"app\",stat=\"{stat}\"}}");
        is(&series, pages * PAGE);
    }
    is("cowtrace_lost_total{reason=\"writers_full\"}", 0);
}

#[test]
fn a_worker_that_exits_takes_no_counter_with_it() {
    let mut run = run(&[10, 30]);
    let before = figures(&run);
    run.memory.processes[1].exited_ns = Some(9);
    // Its records were merged, and its source became known.
    run.memory.processes[1].pid = 0;
    run.memory.processes[1].copied = Sources {
        file: 10,
        ..Sources::default()
    };
    run.loss.processes_folded = 1;
    let text = text(&figures(&run).at_least(&before));
    let app = "{target=\"app\"}";
    assert_eq!(value(&text, &format!("cowtrace_forks_total{app}")), 2);
    assert_eq!(value(&text, &format!("cowtrace_exits_total{app}")), 1);
    assert_eq!(value(&text, &format!("cowtrace_workers{app}")), 1);
    let anon = value(
        &text,
        "cowtrace_copied_bytes_total{target=\"app\",source=\"anon\"}",
    );
    assert_eq!(anon, 40 * PAGE);
}

#[test]
fn each_target_has_figures_of_its_own_and_no_pid_is_a_name() {
    let mut run = run(&[10, 30, 20]);
    let target = |name: &str, what: &str| TracedTarget {
        name: name.into(),
        what: what.into(),
    };
    run.head.traced_targets = vec![target("101", "pid 101"), target("shop", "unit web.service")];
    for process in &mut run.memory.processes {
        process.target = Some(u32::from(process.id == 4));
    }
    let text = text(&figures(&run));
    let copied = |name: &str| {
        let series = format!("cowtrace_copied_bytes_total{{target=\"{name}\",source=\"anon\"}}");
        value(&text, &series)
    };
    assert_eq!(copied("app"), 40 * PAGE);
    assert_eq!(copied("shop"), 20 * PAGE);
    assert!(!text.contains("101\""), "{text}");
}

/// All series of a text, without their values.
fn series(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(' ').nth(1)).collect()
}

#[test]
fn workers_add_no_series_and_names_from_outside_stay_within_their_label() {
    let few = text(&figures(&run(&[1])));
    let many = text(&figures(&run(&[7; 300])));
    assert_eq!(series(&few), series(&many));
    assert!(series(&few).len() < 70, "{}", series(&few).len());

    let mut hostile = run(&[1]);
    hostile.memory.processes[0].comm = "a\"}\n# b\\".into();
    let text = text(&figures(&hostile));
    assert_eq!(series(&text).len(), series(&few).len());
    assert!(!text.contains("\n# b"), "{text}");
}

/// A server with a moment of a run.
struct Server {
    address: SocketAddr,
    viewer: Option<Box<dyn Viewer>>,
}

impl Server {
    fn start(run: &Run) -> Self {
        let exporter = Exporter::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = exporter.address();
        let mut viewer = exporter.start(2).unwrap();
        viewer.look(moment(run));
        Self {
            address,
            viewer: Some(viewer),
        }
    }

    fn look(&mut self, run: &Run) {
        self.viewer.as_mut().unwrap().look(moment(run));
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        let limit = Some(Duration::from_secs(30));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    /// Sends bytes, and returns all that comes back until the connection ends.
    fn send(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // It may have ended already.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn get(&self, path: &str, header: &str) -> String {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n");
        String::from_utf8_lossy(&self.send(request.as_bytes())).into_owned()
    }
}

#[test]
fn both_forms_are_served_by_what_a_client_accepts() {
    let server = Server::start(&run(&[10]));
    let old = server.get("/metrics", "");
    assert!(old.starts_with("HTTP/1.1 200 OK"), "{old}");
    assert!(
        old.contains("content-type: text/plain; version=0.0.4"),
        "{old}"
    );
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let new = server.get("/metrics", accept);
    assert!(
        new.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{new}"
    );
    assert!(new.ends_with("# EOF\n"), "{new}");
    assert!(new.contains("# UNIT cowtrace_copied_bytes bytes"), "{new}");
    // Of two workers there are figures by slot; here is one.
    let slots = old.matches("cowtrace_slot_unshared_bytes{").count();
    assert_eq!(slots, 1, "{old}");
    assert!(server.get("/healthz", "").ends_with("ok\n"));
    assert!(server.get("/", "").contains("/debug/pprof/cow"));
    assert!(server.get("/passwd", "").starts_with("HTTP/1.1 404"));
    let post = server.send(
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert!(post.starts_with(b"HTTP/1.1 405"));
}

#[test]
fn a_profile_has_what_was_copied_while_it_was_taken() {
    let mut server = Server::start(&run(&[10]));
    for bad in ["0", "301", "-1", "x"] {
        let answer = server.get(&format!("/debug/pprof/cow?seconds={bad}"), "");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let mut stream = server.connect();
    stream
        .write_all(
            b"GET /debug/pprof/cow?seconds=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    // The server has to have read the request before the profile can begin.
    thread::sleep(Duration::from_millis(300));
    server.look(&run(&[10]));
    thread::sleep(Duration::from_millis(1_100));
    server.look(&run(&[25]));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    let mut profile = Vec::new();
    flate2::read::GzDecoder::new(&answer[body..])
        .read_to_end(&mut profile)
        .unwrap();
    // A sample's packed values, pages and bytes: field 2, of a byte and a varint of three.
    let values = [0x12, 4, 15, 0x80, 0xe0, 3];
    assert!(
        profile.windows(values.len()).any(|at| at == values),
        "15 pages, 61440 bytes: {profile:x?}"
    );
}

#[test]
fn garbage_and_silence_are_harmless() {
    let server = Server::start(&run(&[10]));
    let huge = [b"GET /".as_slice(), &vec![b'a'; 1 << 20]].concat();
    for request in [b"\x00\xff\xfe".as_slice(), b"GET\r\n\r\n", &huge] {
        let answer = server.send(request);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    // More silent clients than there are places for: they are sent away, and then the next one is served.
    let silent: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    let begun = Instant::now();
    assert!(server.get("/healthz", "").ends_with("ok\n"));
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(silent);
}

#[test]
fn it_ends_with_the_trace() {
    let mut server = Server::start(&run(&[10]));
    server.viewer = None;
    let begun = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it still listens"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_with_the_address() {
    let server = Server::start(&run(&[10]));
    let error = Exporter::bind(server.address).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}", server.address)
    );
}
