//! uWSGI with two applications, each in an interpreter of its own: the variables and lines of both.

use std::process::Command;

use cowtrace_tests::{
    pagemap::{frames, settled},
    tracer::can_trace,
};

use super::{
    http::{SOCKET, load, wait_for_workers},
    native::expect_near_pagemap,
    python::SCRIPTS,
    server::{Folder, Server, installed},
    told::{
        FRAMES_TOLERANCE, PAGES, Recorded, expect_held, expect_inheritors, expect_lines, planted,
    },
};

const WORKERS: usize = 2;
const APPLICATIONS: u64 = 2;
/// Of the copies at least this share is of the data. The rest is the cost of answering a request.
const DATA_SHARE: f64 = 0.97;

/// The distribution's, with its own Python. Both applications are the same code, with data of their own.
fn uwsgi() -> Server {
    let folder = Folder::new("uwsgi");
    let mut command = Command::new(installed("uwsgi_python3"));
    command
        .env("PAGES", folder.path(PAGES))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["--master", "--processes", &WORKERS.to_string()])
        .args(["--pythonpath", SCRIPTS, "--manage-script-name"])
        .args(["--mount", "/one=wsgi_service:application"])
        .args(["--mount", "/two=wsgi_service:application"])
        .arg("--http-socket")
        .arg(folder.path(SOCKET));
    let server = Server::start(&mut command, folder);
    wait_for_workers(&server, WORKERS, "/one/ready");
    server
}

#[test]
fn both_applications_of_uwsgi_are_told() {
    if !can_trace("uwsgi") {
        return;
    }
    let server = uwsgi();
    let workers = server.workers();
    for worker in &workers {
        drop(settled(*worker));
    }
    let planted = planted(&server.path(PAGES));
    let recorded = Recorded::start(server.pid());
    let before: Vec<_> = workers.iter().map(|pid| (*pid, frames(*pid))).collect();
    for application in ["one", "two"] {
        for variable in ["titles", "sentences"] {
            load(&server, WORKERS, 1, &[format!("/{application}/{variable}")]);
        }
    }
    let (report, words) = recorded.stop();
    for (worker, before) in &before {
        expect_near_pagemap(&report, *worker, before, FRAMES_TOLERANCE);
    }
    let readers = WORKERS as u64;
    for interpreter in ["", "interpreter 1: "] {
        expect_held(&"uWSGI", &report, &planted, readers, interpreter);
    }
    let all = report.written(|_| true) as f64;
    let of_data = report.written(|writer| {
        let is_of_data = ["str", "int", "list"]
            .iter()
            .any(|it| writer["type"] == *it);
        writer["kind"] == "refcount" && is_of_data
    });
    assert!(
        of_data as f64 > DATA_SHARE * all,
        "{of_data} of {all}; {}",
        report.top_writers()
    );
    expect_lines(&"uWSGI", &report, &planted, readers * APPLICATIONS);
    expect_inheritors(&report, &planted, WORKERS);
    assert!(!words.contains("started anew"), "{words}");
}
