//! Celery with its pool of forked workers, and RQ, which forks a process for each job: their jobs read what was loaded
//! before the fork.

use std::{fs, os::unix::net::UnixStream, process::Stdio};

use cowtrace_tests::{
    pagemap::{frames, settled},
    pythons::Interpreter,
    report::number,
    tracer::can_trace,
};

use super::{
    http::SOCKET,
    native::{expect_near_pagemap, redis},
    python::{SCRIPTS, command_with, oldest_and_newest, versions},
    server::{Folder, Server},
    told::{FRAMES_TOLERANCE, PAGES, Recorded, expect_inheritors, expect_told, planted},
};

const WORKERS: usize = 2;
const PAGE: u64 = 4096;
/// Begins the names of the files in which jobs say that they have finished.
const FINISHED: &str = "finished-";
/// What the jobs read.
const READ: [&str; 2] = ["titles", "sentences"];

/// A queue in Redis, and who works on its jobs.
struct Queue {
    name: &'static str,
    workers: Server,
    broker: Server,
}

impl Queue {
    fn start(name: &'static str, python: &Interpreter, arguments: &[&str]) -> Self {
        let broker = redis();
        let socket = broker.path(SOCKET);
        broker.wait("Redis listens", || UnixStream::connect(&socket).is_ok());
        let folder = Folder::new(name);
        let mut command = command_with(python, name);
        command
            .current_dir(SCRIPTS)
            .env("SOCKET", socket)
            .env("PAGES", folder.path(PAGES))
            .env("FINISHED", folder.path(FINISHED))
            .args(arguments);
        let workers = Server::start(&mut command, folder);
        Self {
            name,
            workers,
            broker,
        }
    }

    /// Runs this many jobs at the same time for each variable, and waits until all have finished.
    fn read(&self, together: usize) {
        // The first version's modules are compiled.
        let mut put = command_with(&versions()[0], self.name);
        let status = put
            .current_dir(SCRIPTS)
            .env("SOCKET", self.broker.path(SOCKET))
            .args(["jobs.py", self.name, &together.to_string()])
            .args(READ)
            .stdin(Stdio::null())
            .status();
        assert!(status.is_ok_and(|it| it.success()), "no job was put");
        self.workers.wait("jobs", || {
            READ.iter().all(|what| self.finished(what) == together)
        });
    }

    fn finished(&self, what: &str) -> usize {
        let list = fs::read_to_string(self.workers.path(&format!("{FINISHED}{what}")));
        list.unwrap_or_default().lines().count()
    }
}

fn expect_of_celery(python: &Interpreter) {
    let celery = [
        "-m",
        "celery",
        "-A",
        "celery_service",
        "worker",
        "--loglevel",
        "info",
        // Who else there is is not waited for.
        "--without-mingle",
        "-c",
        &WORKERS.to_string(),
    ];
    let queue = Queue::start("celery", python, &celery);
    let service = &queue.workers;
    service.wait("Celery's workers", || {
        service.workers().len() == WORKERS && service.said().contains(" ready.")
    });
    let planted = planted(&service.path(PAGES));
    let workers = service.workers();
    for worker in &workers {
        drop(settled(*worker));
    }
    let recorded = Recorded::start(service.pid());
    let before: Vec<_> = workers.iter().map(|pid| (*pid, frames(*pid))).collect();
    queue.read(WORKERS);
    let (report, words) = recorded.stop();
    for (worker, before) in &before {
        expect_near_pagemap(&report, *worker, before, FRAMES_TOLERANCE);
    }
    expect_told(python, &report, &planted, WORKERS as u64);
    expect_inheritors(&report, &planted, WORKERS);
    // All are forks of the traced process, as is expected: no word on it.
    assert!(!words.contains("started anew"), "{words}");
    assert!(words.contains("in 2 workers"), "{words}");
}

#[test]
fn jobs_of_celery_copy_what_its_pool_inherited() {
    if !can_trace("celery") {
        return;
    }
    for python in oldest_and_newest() {
        expect_of_celery(&python);
    }
}

fn expect_of_rq(python: &Interpreter) {
    let queue = Queue::start("rq", python, &["rq_service.py"]);
    let service = &queue.workers;
    service.wait("RQ listens", || service.said().contains("Listening on"));
    let planted = planted(&service.path(PAGES));
    let recorded = Recorded::start(service.pid());
    queue.read(1);
    service.wait("the ends of the jobs", || {
        service.said().matches("Job OK").count() == READ.len()
    });
    let (report, words) = recorded.stop();
    expect_told(python, &report, &planted, 1);
    // One a job.
    expect_inheritors(&report, &planted, READ.len());
    assert!(!words.contains("started anew"), "{words}");
    // What one job had copied was given back before the next one began.
    let pages = |name: &str| number(&planted, name);
    let peak = number(&report.0["verdict"], "peak_held_bytes") / PAGE;
    println!("{python}: at most {peak} pages held at a time");
    assert!(peak < pages("titles") + pages("sentences"), "{peak}");
}

#[test]
fn jobs_of_rq_copy_what_they_inherited_one_after_the_other() {
    if !can_trace("rq") {
        return;
    }
    for python in oldest_and_newest() {
        expect_of_rq(&python);
    }
}
