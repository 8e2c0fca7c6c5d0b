//! A container of a real runtime: its own namespaces, root and cgroup. It is found by its id, named as inside, and
//! found again when it is started again.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Command},
};

use cowtrace_tests::{
    report::{Report, number},
    tracer::{Tracer, can_trace},
    workload::Service,
};
use serde_json::{Value, json};

const SERVICE: &str = include_str!("holders.py");
const WORKERS: u64 = 2;
/// As for the same service outside a container (`holders`): of a worker's 4,742 pages and more, 16 to 28 are copied
/// after the fork, before the worker reads anything. Only the second start is traced that early.
const TOLERANCE: f64 = 0.01;

/// A container's folder, as OCI describes it. What runs in it are this machine's programs.
struct Bundle {
    folder: PathBuf,
    id: String,
}

impl Bundle {
    fn new() -> Self {
        let id = format!("{:08x}{}", process::id(), "c0a7".repeat(14));
        let folder = std::env::temp_dir().join(format!("cowtrace-container-{}", process::id()));
        let root = folder.join("rootfs");
        fs::create_dir_all(&root).expect("a folder");
        for name in ["bin", "lib", "lib64"] {
            symlink(Path::new("usr").join(name), root.join(name)).expect("a link");
        }
        let bundle = Self { folder, id };
        bundle.configure();
        bundle
    }

    fn configure(&self) {
        let mut spec = Command::new("runc");
        let status = spec.arg("spec").current_dir(&self.folder).status();
        assert!(status.expect("runc is there").success());
        let file = self.folder.join("config.json");
        let text = fs::read_to_string(&file).expect("a configuration");
        let mut config: Value = serde_json::from_str(&text).expect("JSON");
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["/usr/bin/python3", "-c", SERVICE]);
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({
            "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"],
        }));
        fs::write(&file, config.to_string()).expect("the configuration is written");
    }

    /// Starts it; returns when it waits, with the pages of its variables.
    fn start(&self) -> (Service, Value) {
        let mut runc = Command::new("runc");
        runc.arg("run").arg("--bundle").arg(&self.folder);
        let mut service = Service::start(runc.arg(&self.id));
        let pages = service.answer();
        (service, pages)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let mut runc = Command::new("runc");
        let _ = runc.args(["delete", "--force", &self.id]).output();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Has the workers read both variables.
fn read(service: &mut Service) {
    for what in ["words", "titles"] {
        service.say(what);
        assert_eq!(service.answer()["done"], what);
    }
}

fn end(mut service: Service) {
    service.say("end");
    service.end();
}

/// The pages that a variable holds.
fn held(report: &Report, path: &str) -> u64 {
    let holders = report.0["holders"].as_array().expect("holders");
    let of_path = holders.iter().find(|holder| holder["path"] == path);
    of_path.map_or(0, |holder| number(holder, "copied_pages"))
}

#[test]
fn a_container_is_told_as_a_service_outside_and_again_when_it_was_restarted() {
    if !can_trace("a container") {
        return;
    }
    let bundle = Bundle::new();
    let (mut service, pages) = bundle.start();
    let id = &bundle.id[..12];
    let mut tracer = Tracer::start(&["--container", id, "-i", "100ms"]);
    read(&mut service);
    end(service);
    tracer.hear("has exited");
    let (mut service, again) = bundle.start();
    tracer.hear("has started: tracing 1 process");
    read(&mut service);
    let report = tracer.stop();
    end(service);
    let what = format!("container {id}");
    let targets = &report.0["run"]["traced_targets"];
    assert_eq!(*targets, json!([{ "name": id, "what": what }]));
    // Of both starts.
    let copied: Vec<u64> = report
        .processes()
        .iter()
        .filter(|process| process["role"] == "worker")
        .map(|process| number(process, "copied_pages"))
        .collect();
    let least = number(&pages, "words") + number(&pages, "titles");
    let least = (least as f64 * (1.0 - TOLERANCE)) as u64;
    assert_eq!(copied.len() as u64, 2 * WORKERS, "{copied:?}");
    assert!(copied.iter().all(|pages| *pages >= least), "{copied:?}");
    // Of the one that was there at the end.
    for (path, what) in [
        ("main() local words", "words"),
        ("__main__.titles", "titles"),
    ] {
        let expected = WORKERS * number(&again, what);
        let told = held(&report, path);
        assert!(
            told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
            "{path} has {told} of {expected}; {:#}",
            report.0["holders"]
        );
    }
}
