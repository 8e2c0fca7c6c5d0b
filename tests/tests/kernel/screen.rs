//! The screen of a trace in a real terminal.

use std::{
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace::live::{Live, Look};
use cowtrace_tests::{
    pagemap::pages_moved,
    recorded::{Folder, reported, until_traced},
    report::{Report, number},
    tmux::Terminal,
    tracer::{can_trace, program, take_hangups},
    web,
    workload::Workload,
};
use nix::{
    pty::openpty,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Workers that stay, of which each copies all of the memory.
const CASE: &str = "made-code";

/// A trace of a case on a screen.
struct OnScreen {
    workload: Workload,
    terminal: Terminal,
    folder: Folder,
}

impl OnScreen {
    /// When it is over, the terminal says its exit status and how it was left.
    fn start(name: &str, more: &str) -> Self {
        let workload = Workload::prepare(CASE);
        let folder = Folder::new(name);
        let recording = folder.path("run.cow");
        let command = format!(
            "cd {}; {} --pid {} --live -o {recording} {more}; echo status=$?; stty -a; exec sleep 1000",
            folder.path(""),
            program("cowtrace").display(),
            workload.pid()
        );
        let terminal = Terminal::start(name, (80, 24), &command);
        until_traced(&recording);
        terminal.wait_for("LIVE");
        Self {
            workload,
            terminal,
            folder,
        }
    }

    fn recording(&self) -> String {
        self.folder.path("run.cow")
    }

    /// Another terminal that shows the recording, by a command that begins with this. At the end it says its exit status.
    fn reader(&self, name: &str, beginning: &str) -> Terminal {
        let command = format!(
            "{beginning} {} report --live {}; echo status=$?; exec sleep 1000",
            program("cowtrace").display(),
            self.recording()
        );
        Terminal::start(name, (80, 24), &command)
    }

    /// The pid of cowtrace.
    fn cowtrace(&self) -> Pid {
        let pattern = format!("cowtrace --pid {} --live", self.workload.pid());
        let found = Command::new("pgrep").args(["-f", "-n", &pattern]).output();
        let found = found.expect("pgrep is there").stdout;
        let pid = String::from_utf8_lossy(&found).trim().parse();
        Pid::from_raw(pid.expect("cowtrace is there"))
    }

    /// The terminal is as it was, and has the report.
    #[track_caller]
    fn expect_left(&self) {
        let screen = self.terminal.wait_for("status=");
        let screen = if screen.contains("echo ") {
            screen
        } else {
            self.terminal.wait_for("icanon")
        };
        assert!(screen.contains("status=0"), "{screen}");
        assert!(screen.contains(" echo "), "{screen}");
        assert!(!screen.contains("-icanon"), "{screen}");
        assert_eq!(self.terminal.state(), "0 1", "{screen}");
    }
}

/// An address that nobody listens on.
fn free_address() -> String {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    taken.local_addr().expect("its address").to_string()
}

/// Copied bytes by the metrics, of all mappings.
fn served(address: &str) -> u64 {
    let metrics = web::get(address, "/metrics", "").expect("it serves").text();
    let copied = metrics
        .lines()
        .filter(|line| line.starts_with("cowtrace_copied_bytes_total{"));
    let bytes = copied.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    bytes.sum::<f64>() as u64
}

#[test]
fn the_screen_the_report_and_the_metrics_agree() {
    if !can_trace("the_screen_the_report_and_the_metrics_agree") {
        return;
    }
    let moved_before = pages_moved();
    let address = free_address();
    let mut on_screen = OnScreen::start("agree", &format!("--listen {address}"));
    let writers = on_screen.workload.writers();
    let changed: u64 = writers.iter().map(|writer| writer.changed).sum();
    // A page that the kernel moved, to make room for a large one, has another frame as well.
    let least = changed.saturating_sub(pages_moved() - moved_before);
    // At rest: what the report says of the copies is what the screen says, in the same words, and what is served.
    let begun = Instant::now();
    loop {
        let report = Report::parse(&reported(&on_screen.recording(), "json"));
        let copied = number(&report.0["totals"], "copied_bytes");
        let words = cowtrace::words::size(copied);
        let screen = on_screen.terminal.screen();
        // A line of the sentence above may begin with that word, too.
        let mut lines = screen.lines().filter(|line| line.starts_with("copied"));
        let agree = lines.any(|line| line.contains(&words)) && served(&address) == copied;
        if copied >= least * 4_096 && agree {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{words}\n{screen}"
        );
        thread::sleep(Duration::from_millis(100));
    }
    for (key, title) in [("2", "mapping"), ("3", "written"), ("4", "Python line")] {
        on_screen.terminal.press(&[key]);
        on_screen.terminal.wait_for(title);
    }
    on_screen.terminal.press(&["2"]);
    on_screen.terminal.resize(60, 12);
    // Until it is drawn anew, the terminal shows the end of the larger screen.
    on_screen.terminal.wait_until("small screen", |it| {
        let is_whole = it.trim_end().lines().count() == 12;
        is_whole && it.contains("mapping") && it.contains("LIVE")
    });
    on_screen.terminal.resize(40, 8);
    on_screen.terminal.wait_for("the window is too small");
    on_screen.terminal.resize(80, 24);
    on_screen.terminal.wait_for("q end");
    on_screen.terminal.press(&["w"]);
    on_screen.terminal.wait_for("report written: cowtrace-");
    on_screen.terminal.press(&["q"]);
    on_screen.expect_left();
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    if !can_trace("the_terminal_is_given_back_however_it_ends") {
        return;
    }
    // Where the tests run with it ignored, cowtrace would go on.
    take_hangups();
    for (name, key) in [("q", "q"), ("interrupt", "C-c"), ("quit", "C-\\")] {
        let on_screen = OnScreen::start(&format!("left-by-{name}"), "");
        on_screen.terminal.press(&[key]);
        on_screen.expect_left();
    }
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let on_screen = OnScreen::start(&format!("left-by-{signal}"), "");
        kill(on_screen.cowtrace(), signal).expect("cowtrace is there");
        on_screen.expect_left();
    }
}

#[test]
fn a_terminal_that_is_closed_ends_the_trace() {
    if !can_trace("a_terminal_that_is_closed_ends_the_trace") {
        return;
    }
    let on_screen = OnScreen::start("closed", "");
    let cowtrace = on_screen.cowtrace();
    drop(on_screen.terminal);
    let begun = Instant::now();
    while kill(cowtrace, None).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not end");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn variables_are_there_while_the_trace_runs() {
    if !can_trace("variables_are_there_while_the_trace_runs") {
        return;
    }
    let folder = Folder::new("variables-live");
    let command = format!(
        "cd {}; {} demo --seconds 60 --megabytes 64 --live --no-keep; echo status=$?; exec sleep 1000",
        folder.path(""),
        program("cowtrace").display(),
    );
    let terminal = Terminal::start("variables-live", (80, 24), &command);
    terminal.wait_for("LIVE");
    terminal.press(&["5"]);
    let screen = terminal.wait_for("__main__.");
    assert!(screen.contains("LIVE"), "{screen}");
    terminal.press(&["q"]);
    terminal.wait_for("status=0");
}

#[test]
fn it_stays_when_the_service_ends_until_its_user_has_seen_it() {
    if !can_trace("it_stays_when_the_service_ends_until_its_user_has_seen_it") {
        return;
    }
    let mut on_screen = OnScreen::start("stays", "");
    let _ = on_screen.workload.run();
    let OnScreen {
        workload, terminal, ..
    } = on_screen;
    workload.end();
    terminal.wait_for("ENDED");
    let screen = terminal.wait_for("the trace has ended: q leaves");
    assert!(!screen.contains("status="), "{screen}");
    terminal.press(&["q"]);
    terminal.wait_for("status=0");
    assert_eq!(terminal.state(), "0 1");
}

#[test]
fn it_stops_and_goes_on_by_the_keys_of_a_shell() {
    if !can_trace("it_stops_and_goes_on_by_the_keys_of_a_shell") {
        return;
    }
    let workload = Workload::prepare(CASE);
    let terminal = Terminal::start("stopped", (80, 24), "PS1='$ ' bash --norc");
    let command = format!(
        "{} --pid {} --live --no-keep",
        program("cowtrace").display(),
        workload.pid()
    );
    terminal.press(&[&command, "Enter"]);
    terminal.wait_for("LIVE");
    terminal.press(&["C-z"]);
    terminal.wait_for("Stopped");
    assert_eq!(terminal.state(), "0 1");
    terminal.press(&["fg", "Enter"]);
    terminal.wait_for("LIVE");
    assert_eq!(terminal.state(), "1 0");
    terminal.press(&["q"]);
    terminal.wait_until("prompt", |screen| screen.trim_end().ends_with('$'));
    assert_eq!(terminal.state(), "0 1");
}

/// Not a test by itself: the next one runs it in a terminal.
#[test]
#[ignore = "takes the terminal"]
fn takes_the_terminal_and_panics() {
    let look = Look {
        color: true,
        utf8: true,
    };
    let _live = Live::start(look, None, Box::new(|_| Err(String::new()))).expect("a terminal");
    thread::sleep(Duration::from_secs(1));
    panic!("planted");
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_seen() {
    let own = std::env::current_exe().expect("this program's own path");
    let command = format!(
        "RUST_BACKTRACE=0 {} --ignored --nocapture takes_the_terminal_and_panics; stty -a; exec sleep 1000",
        own.display()
    );
    let terminal = Terminal::start("panics", (80, 24), &command);
    let screen = terminal.wait_until("echo", |screen| screen.contains(" echo "));
    assert!(screen.contains("planted"), "{screen}");
    assert!(!screen.contains("-icanon"), "{screen}");
    assert_eq!(terminal.state(), "0 1");
}

#[test]
fn a_terminal_that_nobody_reads_loses_no_copy() {
    if !can_trace("a_terminal_that_nobody_reads_loses_no_copy") {
        return;
    }
    let mut workload = Workload::prepare(CASE);
    let folder = Folder::new("unread");
    let recording = folder.path("run.cow");
    let pty = openpty(None, None).expect("a pseudo terminal");
    let slave = || Stdio::from(File::from(pty.slave.try_clone().expect("it can be shared")));
    let mut cowtrace = Command::new(program("cowtrace"))
        .args([
            "--pid",
            &workload.pid().to_string(),
            "--live",
            "-i",
            "100ms",
        ])
        .args(["-o", &recording, "--range", "4KiB"])
        .stdin(slave())
        .stdout(slave())
        .stderr(slave())
        .spawn()
        .expect("cowtrace starts");
    until_traced(&recording);
    // More frames than the terminal's buffer of some KiB takes.
    thread::sleep(Duration::from_secs(8));
    let changed: u64 = workload.writers().iter().map(|writer| writer.changed).sum();
    thread::sleep(Duration::from_secs(1));
    let pid = Pid::from_raw(i32::try_from(cowtrace.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("cowtrace is there");
    cowtrace_ends(&mut cowtrace);
    let report = Report::parse(&reported(&recording, "json"));
    let counted: u64 = report
        .counts_in(workload.start, workload.end)
        .values()
        .map(|counts| counts.copied)
        .sum();
    assert_eq!(counted, changed);
    assert!(report.losses().is_empty(), "{:?}", report.losses());
    workload.end();
}

/// It waits for the terminal only for a moment; its report finds no reader.
fn cowtrace_ends(cowtrace: &mut std::process::Child) {
    let begun = Instant::now();
    while cowtrace.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed() > Duration::from_secs(10) {
            cowtrace.kill().expect("it is there");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_recording_is_shown_without_root_while_it_is_written() {
    if !can_trace("a_recording_is_shown_without_root_while_it_is_written") {
        return;
    }
    let mut on_screen = OnScreen::start("written", "");
    let _ = on_screen.workload.run();
    // As somebody who may read the file and nothing else.
    fs::set_permissions(on_screen.recording(), Permissions::from_mode(0o644)).expect("it is there");
    let other = on_screen.reader(
        "reads",
        "setpriv --reuid 65534 --regid 65534 --clear-groups",
    );
    other.wait_until("copies", |screen| {
        screen.contains("LIVE") && screen.contains("[anon]")
            || screen.contains("LIVE") && screen.contains("where in")
    });
    on_screen.terminal.press(&["q"]);
    on_screen.expect_left();
    other.wait_for("ENDED");
    other.press(&["q"]);
    other.wait_for("status=0");
}

#[test]
fn terminals_that_can_do_little_show_it_too_and_those_that_cannot_are_told() {
    if !can_trace("terminals_that_can_do_little_show_it_too_and_those_that_cannot_are_told") {
        return;
    }
    let mut on_screen = OnScreen::start("terminals", "");
    let _ = on_screen.workload.run();
    for (name, environment) in [
        ("linux", "TERM=linux"),
        ("screen", "TERM=screen NO_COLOR=1"),
        ("ascii", "TERM=vt100 LC_ALL=C"),
    ] {
        let terminal = on_screen.reader(name, environment);
        let screen = terminal.wait_for("LIVE");
        assert!(name != "ascii" || screen.is_ascii(), "{screen}");
        terminal.press(&["q"]);
        terminal.wait_for("status=0");
    }
    let told = on_screen.reader("dumb", "TERM=dumb").wait_for("status=");
    assert!(told.contains("status=2") && told.contains("TERM"), "{told}");
    on_screen.terminal.press(&["q"]);
    on_screen.expect_left();
}

#[test]
fn without_a_terminal_it_says_what_it_needs() {
    let own = std::process::id().to_string();
    cowtrace_tests::command::fails(&["--pid", &own, "--live"], 2, "--live needs a terminal");
}
