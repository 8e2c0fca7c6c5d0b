//! uWSGI with two applications, each in an interpreter of its own: variables and lines of both.

use std::{fs, process::Command};

use cowtrace_tests::{
    pythons::line_of,
    report::{Report, number},
    tracer::{Tracer, can_trace},
};

use super::{
    http::{SOCKET, load, wait_for_workers},
    python::SCRIPTS,
    server::{Folder, Server},
};

const WORKERS: usize = 2;
/// Requests that each worker answers: after these it has looked up nearly everything.
const REQUESTS: u32 = 100;
/// The pages of a variable, and of the line that reads it, may differ from the known number by this share: a worker
/// writes 10 to 18 pages of some 11,000 for another reason first.
const TOLERANCE: f64 = 0.01;

/// An application: where it is mounted, its file, its variable, the function that reads it, and the file that says how
/// many pages its objects are in.
struct Application {
    mount: &'static str,
    module: &'static str,
    text: &'static str,
    variable: &'static str,
    function: &'static str,
    pages: &'static str,
}

const APPLICATIONS: [Application; 2] = [
    Application {
        mount: "/shop",
        module: "mounted_shop",
        text: include_str!("mounted_shop.py"),
        variable: "mounted_shop.goods",
        function: "price",
        pages: "PAGES_OF_GOODS",
    },
    Application {
        mount: "/blog",
        module: "mounted_blog",
        text: include_str!("mounted_blog.py"),
        variable: "mounted_blog.posts",
        function: "show",
        pages: "PAGES_OF_POSTS",
    },
];

fn uwsgi() -> Server {
    let folder = Folder::new("uwsgi");
    let mut command = Command::new("uwsgi");
    command
        .args(["--plugin", "python3", "--master", "--need-app"])
        .args(["--processes", &WORKERS.to_string(), "--pythonpath", SCRIPTS])
        .args(["--manage-script-name", "--die-on-term", "--http-socket"])
        .arg(folder.path(SOCKET))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    for application in &APPLICATIONS {
        let Application { mount, module, .. } = application;
        command
            .args(["--mount", &format!("{mount}={module}:application")])
            .env(application.pages, folder.path(application.pages));
    }
    let server = Server::start(&mut command, folder);
    for application in &APPLICATIONS {
        wait_for_workers(&server, WORKERS, &format!("{}/", application.mount));
    }
    server
}

fn held(report: &Report, path: &str) -> u64 {
    let holders = report.0["holders"].as_array().expect("holders");
    let held = holders.iter().filter(|holder| holder["path"] == path);
    held.map(|holder| number(holder, "copied_pages")).sum()
}

fn by_line(report: &Report, function: &str, line: u64) -> u64 {
    report.written(|writer| {
        let innermost = &writer["python"][0];
        innermost["function"] == function && innermost["line"] == line
    })
}

#[test]
fn both_applications_of_a_uwsgi_have_their_variables_and_lines() {
    if !can_trace("uwsgi") {
        return;
    }
    let server = uwsgi();
    let tracer = Tracer::start(&["--pid", &server.pid().to_string()]);
    for application in &APPLICATIONS {
        let parts = (0..200_000).step_by(10_000);
        let paths: Vec<_> = parts
            .map(|first| format!("{}/?first={first}", application.mount))
            .collect();
        load(&server, WORKERS, REQUESTS, &paths);
    }
    let report = tracer.stop();
    for application in &APPLICATIONS {
        let pages = fs::read_to_string(server.path(application.pages)).expect("the pages");
        let expected = WORKERS as u64 * pages.parse::<u64>().expect("a number");
        let line = line_of(application.text, "look-up");
        let held = held(&report, application.variable);
        let by_line = by_line(&report, application.function, line);
        println!(
            "{}: {held} and {by_line} of {expected}",
            application.variable
        );
        let is_near = |told: u64| told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64;
        assert!(
            expected > 5_000 && is_near(held) && is_near(by_line),
            "{}: {held} held, {by_line} by its line, of {expected}; {:#}; {}",
            application.variable,
            report.0["holders"],
            report.top_writers()
        );
    }
}
