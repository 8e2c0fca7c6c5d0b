//! Verdicts where not the service's processes grew but something beside them: the kernel's memory, the page
//! cache, another process; and whether what may still be copied fits into the limit of a cgroup. Each twice,
//! with other sizes, each service in a cgroup and a network namespace of its own, those that do not disturb each other
//! at the same time.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{
    cgroup::TestCgroup,
    pagemap::{anonymous_pages, frames, settled},
    python,
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::Value;

const SERVICE: &str = include_str!("beside.py");
/// Longer than the 18 s in which the services do their work, and long enough for a verdict.
const LONG: Duration = Duration::from_secs(23);
const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// Each processor takes 64 pages of a cgroup's counter in advance: 4 of them.
const STOCK: u64 = 4 * 64 * PAGE;
/// What the kernel takes for the program itself while it works: sockets, files, stacks of threads.
const OF_PROGRAM: u64 = 2 * MIB;
/// What the kernel keeps for a connection that waits.
const TIME_WAIT: u64 = 256;

/// A service, and what its verdict is.
struct Planted {
    plan: &'static str,
    kind: &'static str,
    headline: &'static str,
}

const fn planted(plan: &'static str, kind: &'static str, headline: &'static str) -> Planted {
    Planted {
        plan,
        kind,
        headline,
    }
}

const KERNEL: &str = "KERNEL MEMORY";
const FILES: &str = "PAGE CACHE";

const PLANTED: [Planted; 8] = [
    planted("workers=2 waits=22000", "kernel-memory", KERNEL),
    planted("workers=1 waits=27000", "kernel-memory", KERNEL),
    planted("workers=2 buffers=24", "kernel-memory", KERNEL),
    planted("workers=1 buffers=50", "kernel-memory", KERNEL),
    // Each child has 2 MiB of page tables for each GiB, and copies some pages of the interpreter.
    planted("workers=1 inherit=300 forks=40", "kernel-memory", KERNEL),
    planted("workers=3 inherit=500 forks=24", "kernel-memory", KERNEL),
    planted("workers=2 files=80", "page-cache", FILES),
    planted("workers=1 files=200", "page-cache", FILES),
];

impl Planted {
    fn number(&self, key: &str) -> u64 {
        number_in(self.plan, key)
    }

    /// Traces the service, and compares the report with what the kernel says.
    fn check(&self) {
        let plan = self.plan;
        let Some(cgroup) = TestCgroup::new() else {
            println!("SKIPPED {plan}: no cgroup counts memory here");
            return;
        };
        let folder = FilesToRead::of(self.number("files"));
        let mut service = start(plan, Some(&cgroup), &folder);
        service.answer();
        let before = (cgroup.kernel_bytes(), cgroup.files_bytes());
        let trace = Trace::begin(service.pid());
        // On a busy machine, the first reading comes some time after the start.
        thread::sleep(FIRST_READING);
        service.say("go");
        service.answer();
        let waiting = time_wait(service.pid());
        let report = trace.end();
        let after = (cgroup.kernel_bytes(), cgroup.files_bytes());
        service.end();
        let verdict = &report.0["verdict"];
        println!("{plan}\n    {}", verdict["headline"]);
        let beside = &report.0["machine"]["growth"]["beside"];
        assert_eq!(beside["is_of_service"], true, "{plan}: {beside}");
        let buffers = self.number("buffers") * MIB;
        let connections = number(beside, "time_wait") * TIME_WAIT;
        let kernel = (after.0 - before.0) + connections + number(beside, "socket_buffers_bytes");
        let files = after.1 - before.1;
        expect_close(
            number(beside, "kernel_bytes"),
            kernel,
            STOCK + OF_PROGRAM,
            plan,
        );
        // The first reading may be half a second after the start: a 36th of the work.
        let first = files / 36;
        expect_close(
            number(beside, "page_cache_bytes"),
            files,
            STOCK + first,
            plan,
        );
        // Those of other programs may have been filled meanwhile. Each processor adds to the machine's counter in
        // steps of 1 MiB (SK_MEMORY_PCPU_RESERVE).
        let steps = number(&report.0["host"], "cpus") * MIB;
        assert!(
            number(beside, "socket_buffers_bytes") + steps >= buffers,
            "{plan}: {beside}"
        );
        expect_close(
            number(beside, "time_wait"),
            waiting,
            waiting / 100 + 10,
            plan,
        );
        expect_sum(&report);
        assert_eq!(verdict["kind"], self.kind, "{plan}: {verdict}, {beside}");
        let headline = verdict["headline"].as_str().expect("words");
        assert!(headline.starts_with(self.headline), "{plan}: {headline}");
    }
}

/// How long the first reading of the machine may take.
const FIRST_READING: Duration = Duration::from_secs(2);
/// What other processes must have gained together to be named, bytes.
const MACHINE_FLOOR: u64 = 64 * MIB;

/// A trace that ends when the service is done, on a busy machine too.
struct Trace {
    tracer: Tracer,
    begun: Instant,
}

impl Trace {
    fn begin(pid: u32) -> Self {
        let tracer = Tracer::start(&["--pid", &pid.to_string()]);
        Self {
            tracer,
            begun: Instant::now(),
        }
    }

    fn end(self) -> Report {
        thread::sleep(LONG.saturating_sub(self.begun.elapsed()));
        self.tracer.stop()
    }
}

fn number_in(plan: &str, key: &str) -> u64 {
    let words = plan.split(' ').filter_map(|word| word.split_once('='));
    let mut found = words.filter(|(word, _)| *word == key);
    found
        .next()
        .map_or(0, |(_, number)| number.parse().expect("a number"))
}

/// A folder with a file that no page cache has, removed at the end.
struct FilesToRead(PathBuf);

impl FilesToRead {
    fn of(mib: u64) -> Self {
        // Where temporary files are kept in memory, they would be shared memory.
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("beside-{}-{mib}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut file = fs::File::create(folder.join("read")).expect("a file");
        for number in 0..mib {
            let byte = u8::try_from(number % 251).expect("a byte");
            file.write_all(&vec![byte; 1 << 20]).expect("room for it");
        }
        file.sync_all().expect("it can be written");
        nix::fcntl::posix_fadvise(
            &file,
            0,
            0,
            nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        )
        .expect("the cache is given up");
        Self(folder)
    }
}

impl Drop for FilesToRead {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(plan: &str, cgroup: Option<&TestCgroup>, folder: &FilesToRead) -> Service {
    let mut command = Command::new(python());
    command.args(["-c", SERVICE]).args(plan.split(' '));
    if let Some(cgroup) = cgroup {
        command.arg(format!("cgroup={}", cgroup.folder().display()));
    }
    command.arg(format!("folder={}", folder.0.display()));
    Service::start(&mut command)
}

/// Connections of a process's network namespace that wait.
fn time_wait(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/net/sockstat")).expect("sockets");
    let mut words = text.split_whitespace().skip_while(|word| *word != "tw");
    words.nth(1).expect("a number").parse().expect("a number")
}

#[track_caller]
fn expect_close(said: u64, truth: u64, most: u64, what: &str) {
    println!("    {said}, by the kernel {truth}");
    assert!(
        said.abs_diff(truth) <= most,
        "{what}: {said}, by the kernel {truth}"
    );
}

/// The parts are all that the machine lost.
#[track_caller]
fn expect_sum(report: &Report) {
    let growth = &report.0["machine"]["growth"];
    let parts = growth["parts"].as_array().expect("parts").iter();
    let sum: i64 = parts.filter_map(|part| part["bytes"].as_i64()).sum();
    assert_eq!(growth["used_bytes"], sum, "{growth}");
}

/// A process that is not traced, and grows by so many MiB.
const GROWER: &str = "
import sys, time
kept, mib = [], int(sys.argv[1])
for step in range(36):
    kept.append(bytearray(b'x') * (mib * (1 << 20) // 36))
    time.sleep(0.5)
print('{}', flush=True)
sys.stdin.read()
";

/// A process outside the tree grows, and the service does not.
fn check_elsewhere(workers: u64, mib: u64) {
    let folder = FilesToRead::of(0);
    let mut service = start(&format!("workers={workers}"), None, &folder);
    service.answer();
    let trace = Trace::begin(service.pid());
    let mut command = Command::new(python());
    command
        .args(["-c", GROWER, &mib.to_string()])
        .stderr(Stdio::null());
    let mut grower = Service::start(&mut command);
    grower.answer();
    let pages = anonymous_pages(grower.pid());
    let report = trace.end();
    let pid = grower.pid();
    grower.end();
    service.end();
    let elsewhere = &report.0["machine"]["elsewhere"];
    let growers = elsewhere["growers"].as_array().expect("growers").iter();
    let mut own = growers.filter(|it| it["consumer"]["pid"] == pid);
    let own = own
        .next()
        .unwrap_or_else(|| panic!("{pid} is not in {elsewhere}"));
    // Its counters lag by 32 pages for each of 4 processors on some kernels.
    let (said, most) = (number(own, "grown_pages"), 128);
    assert!(
        said.abs_diff(pages) <= most,
        "{said} pages, by frames {pages}"
    );
    let verdict = &report.0["verdict"];
    println!("elsewhere {mib}\n    {}", verdict["headline"]);
    expect_sum(&report);
    let beside = &report.0["machine"]["growth"]["beside"];
    let net = beside["elsewhere_bytes"].as_u64().unwrap_or(0);
    if net < MACHINE_FLOOR {
        // The verdict is about what the machine lost.
        println!("    other processes gave back as much: {net} bytes are left");
        return;
    }
    assert_eq!(verdict["kind"], "elsewhere", "{verdict}, {elsewhere}");
    let headline = verdict["headline"].as_str().expect("words");
    assert!(
        headline.starts_with("ELSEWHERE ON THE MACHINE: "),
        "{headline}"
    );
}

/// What workers still share is compared with what the limit leaves.
fn check_limit(plan: &str, limit_mib: u64, fits: bool) {
    let Some(cgroup) = TestCgroup::new() else {
        println!("SKIPPED {plan}: no cgroup counts memory here");
        return;
    };
    cgroup.limit(limit_mib * MIB);
    let folder = FilesToRead::of(0);
    let mut service = start(plan, Some(&cgroup), &folder);
    let ready = service.answer();
    let trace = Trace::begin(service.pid());
    service.say("go");
    service.answer();
    let report = trace.end();
    let workers = ready["workers"].as_array().expect("workers").iter();
    let shared: u64 = workers
        .filter_map(Value::as_u64)
        .map(|pid| shared_pages(service.pid(), u32::try_from(pid).expect("a pid")))
        .sum();
    let room = limit_mib * MIB - cgroup.kept_bytes();
    service.end();
    let how_far = &report.0["verdict"]["how_far"];
    println!("{plan} in {limit_mib} MiB\n    {how_far}");
    // A page of each worker's stack and of its heap may change as it answers and waits.
    expect_close(
        number(how_far, "remaining_bytes"),
        shared * PAGE,
        shared * PAGE / 100,
        plan,
    );
    expect_close(number(how_far, "room_bytes"), room, STOCK, plan);
    assert_eq!(how_far["room_is"], "limit");
    let over = number(how_far, "exceeds_by_bytes");
    assert_eq!(over == 0, fits, "{plan}: {how_far}");
    let expected = (shared * PAGE).saturating_sub(room);
    expect_close(over, expected, shared * PAGE / 100 + STOCK, plan);
}

/// Anonymous pages that two processes have in the same frame at the same address.
fn shared_pages(master: u32, worker: u32) -> u64 {
    let (theirs, own) = (settled(master), frames(worker));
    let pages = own.iter().filter_map(|(start, mapping)| {
        let donor = theirs.get(start)?;
        let both = mapping.frames.iter().zip(&donor.frames);
        Some(
            both.filter(|(own, donor)| own == donor && **own != 0)
                .count() as u64,
        )
    });
    pages.sum()
}

#[test]
fn what_grows_beside_the_processes_is_called_what_it_is() {
    if !can_trace("what grows beside a service") {
        return;
    }
    // The machine counts the buffers of all sockets together.
    let (alone, together): (Vec<_>, Vec<_>) =
        PLANTED.iter().partition(|it| it.number("buffers") > 0);
    let failed: Vec<&str> = thread::scope(|scope| {
        let start = |planted: &'static Planted| (planted.plan, scope.spawn(|| planted.check()));
        let mut running: Vec<_> = together.into_iter().map(start).collect();
        running.push(("elsewhere 150", scope.spawn(|| check_elsewhere(2, 150))));
        running.push(("elsewhere 260", scope.spawn(|| check_elsewhere(1, 260))));
        let failed = running.into_iter();
        failed
            .filter_map(|(plan, thread)| thread.join().is_err().then_some(plan))
            .collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
    for planted in alone {
        planted.check();
    }
}

#[test]
fn whether_what_may_still_be_copied_fits_into_a_cgroups_limit_is_said() {
    if !can_trace("limits of cgroups") {
        return;
    }
    thread::scope(|scope| {
        // 3 x 45 MiB are left to copy, and 4 x 10.
        let plans = [
            ("workers=3 inherit=60 copy=15", 60),
            ("workers=4 inherit=30 copy=20", 40),
        ];
        for (plan, more) in plans {
            let held =
                number_in(plan, "inherit") + number_in(plan, "copy") * number_in(plan, "workers");
            // Some 10 MiB of the interpreter, its copies, and the kernel's part.
            scope.spawn(move || check_limit(plan, held + more, false));
            scope.spawn(move || check_limit(plan, held + 400, true));
        }
    });
}
