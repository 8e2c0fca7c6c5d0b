//! Machines that change under a trace: memory that was swapped out, and processors that go away and come back.

use std::{fs, path::Path, process::Command};

use cowtrace_tests::{
    recorded::Folder,
    tracer::{Tracer, can_trace},
    workload::Workload,
};

/// A swap file, in use until this is dropped.
struct Swap(String);

impl Swap {
    /// The system's reason where it refuses.
    fn on(folder: &Folder) -> Result<Self, String> {
        let path = folder.path("swap");
        fs::write(&path, vec![0; 16 << 20]).expect("room for it");
        let quiet = |program: &str| {
            let output = Command::new(program).arg(&path).output();
            let output = output.map_err(|error| format!("{program}: {error}"))?;
            let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            output.status.success().then_some(()).ok_or(errors)
        };
        quiet("mkswap")?;
        quiet("swapon")?;
        Ok(Self(path))
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(&self.0).status();
    }
}

#[test]
fn memory_that_was_swapped_out_is_copied_and_counted_like_any_other() {
    if !can_trace("swapped out") {
        return;
    }
    let folder = Folder::new("swap");
    let _swap = match Swap::on(&folder) {
        Ok(swap) => swap,
        Err(why) => {
            println!("SKIPPED swapped out: {why}");
            return;
        }
    };
    let mut workload = Workload::prepare("swapped");
    let tracer = Tracer::of(workload.pid());
    let writer = workload.writers()[0];
    let report = tracer.stop();
    let counts = report.counts_in(workload.start, workload.end);
    assert_eq!(writer.changed, 1000);
    assert_eq!(counts[&writer.pid].copied, writer.changed);
    workload.end();
}

/// A processor that is not used, until this is dropped.
struct WithoutProcessor(&'static Path);

impl WithoutProcessor {
    fn new() -> std::io::Result<Self> {
        let own = Self(Path::new("/sys/devices/system/cpu/cpu1/online"));
        fs::write(own.0, "0")?;
        Ok(own)
    }
}

impl Drop for WithoutProcessor {
    fn drop(&mut self) {
        fs::write(self.0, "1").expect("the processor comes back");
    }
}

#[test]
#[ignore = "takes a processor from everything else on the machine"]
fn processors_that_go_away_and_come_back_lose_no_count() {
    if !can_trace("processors") {
        return;
    }
    for is_gone_first in [false, true] {
        let mut workload = Workload::prepare("waiting-workers");
        workload.run();
        let processor = is_gone_first.then(|| WithoutProcessor::new().expect("it can go away"));
        let tracer = Tracer::of(workload.pid());
        let processor = match processor {
            Some(processor) => {
                drop(processor);
                None
            }
            None => Some(WithoutProcessor::new().expect("it can go away")),
        };
        let writers = workload.writers();
        tracer.has_looked();
        drop(processor);
        let report = tracer.stop();
        let counts = report.counts_in(workload.start, workload.end);
        for writer in writers {
            assert_eq!(writer.changed, 1000);
            assert_eq!(counts[&writer.pid].copied, writer.changed, "{writer:?}");
        }
        assert_eq!(report.losses(), std::collections::BTreeMap::new());
        workload.end();
    }
}
