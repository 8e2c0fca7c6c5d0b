//! Recordings of synthetic runs, and their reports (`reported.rs`): tests that need no kernel.
//!
//! The writer that gets killed is this test program itself, started again for one test.

mod reported;

use std::{
    collections::{BTreeMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use cowtrace::{
    recording::{RecordingWriter, read_recording},
    run::{
        CopiedMemory, Kind, Mapping, Process, Region, Role, Row, Run, Sample, Snapshot,
        SnapshotScope, Sources, Timeline,
    },
};

/// Where the writer under test writes; set only for it.
const WRITES_TO: &str = "COWTRACE_TEST_WRITES_TO";
const PAGE: u64 = 4096;
const SERVICE: &str = include_str!("../runs/service.json");

/// A folder of this process, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        // In memory where possible: tests do not wait for disks.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            env::temp_dir()
        };
        let path = parent.join(format!("cowtrace-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A master and workers; each worker has `ranges` ranges with `pages` copies each.
fn synthetic(workers: u32, ranges: u64, pages: u64) -> Run {
    let stored: Run = serde_json::from_str(SERVICE).expect("a stored run");
    let start = 0x7f00_0000_0000;
    let process = |id: u32| Process {
        id,
        pid: 1_000 + id,
        parent_id: (id > 0).then_some(0),
        comm: "python3".into(),
        role: if id == 0 { Role::Master } else { Role::Worker },
        started_ns: 0,
        exited_ns: None,
        exit: None,
        copied: Sources {
            anon: if id == 0 { 0 } else { ranges * pages },
            ..Sources::default()
        },
        reused_faults: 0,
        inherited_pages: Some(ranges * 16),
        target: None,
    };
    let row = |process_id: u32, range: u64| Row {
        process_id,
        region_id: Some(0),
        start: Some(start + range * 16 * PAGE),
        mapping: None,
        copied: Sources {
            anon: pages,
            ..Sources::default()
        },
        reused_faults: 0,
    };
    let copied = u64::from(workers) * ranges * pages;
    let memory = CopiedMemory {
        processes: (0..=workers).map(process).collect(),
        regions: vec![Region {
            id: 0,
            process_id: 0,
            mapping: Mapping {
                start,
                end: start + ranges.max(1) * 16 * PAGE,
                name: "[anon]".into(),
                kind: Kind::Anon,
                perms: "rw-p".into(),
                offset: 0,
                resident_pages: ranges * 16,
                anonymous_pages: ranges * 16,
                huge_page_bytes: 0,
                mergeable: false,
            },
            inheritors: u64::from(workers),
            inherited_pages: u64::from(workers) * ranges * 16,
            copied_pages: copied,
            unshared_pages: copied,
        }],
        rows: (1..=workers)
            .flat_map(|worker| (0..ranges).map(move |range| row(worker, range)))
            .collect(),
        range_bytes: 16 * PAGE,
        timeline: Timeline::new(1_000_000),
        command_lines: Vec::new(),
        uncounted: Vec::new(),
    };
    let mut run = Run::new(stored.head, memory.range_bytes, memory.timeline.interval_ns);
    run.memory = memory;
    run.loss = stored.loss;
    run
}

/// The writer that gets killed: a run that grows from flush to flush, without end.
#[test]
fn writer_that_is_killed() {
    let Some(path) = env::var_os(WRITES_TO) else {
        return;
    };
    let mut run = synthetic(2, 0, 1);
    let mut writer = RecordingWriter::create(Path::new(&path), false, &run).expect("it is created");
    let mut samples = Vec::new();
    for flush in 1.. {
        run = synthetic(2, (flush * 40).min(20_000), flush);
        run.head.duration_ns = flush;
        samples.push(Sample {
            at_ns: flush,
            copied_pages: run.copied().total(),
            reused_faults: 0,
            by_process: BTreeMap::from([(1, flush)]),
            touched_pages: flush,
            held_by_process: BTreeMap::from([(1, flush)]),
            touched_by_process: BTreeMap::from([(1, flush)]),
        });
        run.memory.timeline.samples.clone_from(&samples);
        let scope = SnapshotScope::default();
        let snapshot = Snapshot { run, scope };
        writer.write(&snapshot).expect("it is written");
    }
}

/// A delay that differs from run to run.
fn any_delay(most: Duration) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = now.expect("after 1970").subsec_nanos();
    most * (nanoseconds.wrapping_mul(2_654_435_761) >> 16) / 65_536
}

#[test]
fn a_recording_can_be_read_whenever_its_writer_is_killed() {
    let mut seen = HashSet::new();
    let mut journals = 0;
    for round in 0..50 {
        let folder = Folder::new(&format!("killed-{round}"));
        let path = folder.path("run.cow");
        let mut writer = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "recordings::writer_that_is_killed"])
            .env(WRITES_TO, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // From its first flush on.
        let begun = Instant::now();
        while read_recording(&path).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "nothing was written"
            );
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(any_delay(Duration::from_millis(120)));
        writer.kill().expect("it is ours");
        writer.wait().expect("it is ours");
        let names: Vec<_> = fs::read_dir(&folder.0).expect("the folder").collect();
        // If the transaction had not begun to change the file, the journal is not needed, and
        // stays.
        journals += usize::from(names.len() > 1);
        let run = read_recording(&path).unwrap_or_else(|error| panic!("{error}, with {names:?}"));
        assert!(run.head.unfinished);
        // A flush is present completely or not at all.
        let rows: u64 = run.memory.rows.iter().map(|row| row.copied.total()).sum();
        assert_eq!(run.copied().total(), rows);
        assert_eq!(run.memory.regions[0].copied_pages, rows);
        assert_eq!(
            run.memory
                .timeline
                .samples
                .last()
                .map_or(0, |it| it.copied_pages),
            rows
        );
        assert_eq!(
            run.memory.timeline.samples.len() as u64 * u64::from(rows > 0),
            run.head.duration_ns * u64::from(rows > 0)
        );
        seen.insert(run.memory.timeline.samples.len());
    }
    println!(
        "{} different flushes were the last; {journals} had a journal",
        seen.len()
    );
    assert!(
        seen.len() > 5,
        "the kills came at different moments: {seen:?}"
    );
}

#[test]
fn a_range_takes_less_than_64_bytes() {
    let folder = Folder::new("bytes");
    let path = folder.path("run.cow");
    let run = synthetic(10, 5_000, 3);
    let rows = run.memory.rows.len() as u64;
    let writer = RecordingWriter::create(&path, false, &synthetic(0, 0, 0)).expect("it is created");
    let empty = fs::metadata(&path).expect("it is there").len();
    writer.finish(&run).expect("it is written");
    let bytes = fs::metadata(&path).expect("it is there").len() - empty;
    assert!(bytes < rows * 64, "{} bytes a range", bytes / rows);
}

/// `cargo test --release -p cowtrace-tests --test all recordings -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, for docs/cost.md"]
fn what_a_million_ranges_cost() {
    let folder = Folder::new("cost");
    let path = folder.path("run.cow");
    let seconds = |begun: Duration| cpu_time().saturating_sub(begun).as_secs_f64();
    let mut last = synthetic(10, 0, 1);
    let mut writer = RecordingWriter::create(&path, false, &last).expect("it is created");
    let mut cost = 0.0;
    let mut slowest: f64 = 0.0;
    for flush in 1..=20 {
        last = synthetic(10, flush * 5_000, flush);
        let scope = SnapshotScope::default();
        let snapshot = Snapshot {
            run: last.clone(),
            scope,
        };
        let begun = cpu_time();
        writer.write(&snapshot).expect("it is written");
        cost += seconds(begun);
        slowest = slowest.max(seconds(begun));
    }
    let rows = last.memory.rows.len();
    println!(
        "{rows} ranges in 20 flushes that change all of them each time: {cost:.2} s of CPU, the slowest {slowest:.2} s"
    );
    let begun = cpu_time();
    let scope = SnapshotScope {
        rows_of: Some(HashSet::from([1])),
        ..SnapshotScope::default()
    };
    let mut one = synthetic(1, 100_000, 21);
    one.memory.processes.clone_from(&last.memory.processes);
    writer
        .write(&Snapshot { run: one, scope })
        .expect("it is written");
    println!(
        "a flush that changes 100,000 of them: {:.2} s",
        seconds(begun)
    );
    let begun = cpu_time();
    writer.finish(&last).expect("it is written");
    println!("the end: {:.2} s", seconds(begun));
    let bytes = fs::metadata(&path).expect("it is there").len();
    println!("{bytes} bytes, {:.1} a range", bytes as f64 / rows as f64);
    let begun = cpu_time();
    assert_eq!(
        read_recording(&path).expect("it is read").memory.rows.len(),
        rows
    );
    println!("reading: {:.2} s", seconds(begun));

    let single = folder.path("single.cow");
    let begun = cpu_time();
    let writer =
        RecordingWriter::create(&single, false, &synthetic(0, 0, 0)).expect("it is created");
    writer.finish(&last).expect("it is written");
    println!("all at once: {:.2} s", seconds(begun));
}

fn cpu_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    let time = nix::time::clock_gettime(clock).expect("a clock");
    Duration::new(time.tv_sec() as u64, time.tv_nsec() as u32)
}
