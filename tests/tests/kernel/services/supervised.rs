//! gunicorn below supervisord, which is a Python program too. A trace of supervisord reports what gunicorn's workers
//! inherited and read.

use std::{fs, path::Path};

use cowtrace_tests::{
    pythons::Interpreter,
    report::{Report, number},
    tracer::can_trace,
};

use super::{
    http::{SOCKET, load, wait_for_workers},
    python::{SCRIPTS, WORKERS, command_with, oldest_and_newest},
    server::{Folder, Server},
    told::{PAGES, Recorded, expect_inheritors, expect_told, planted},
};

/// Starts gunicorn as supervisord's only program.
fn supervisord(python: &Interpreter) -> Server {
    let folder = Folder::new("supervisord");
    let configuration = folder.path("supervisord.conf");
    fs::write(&configuration, configured(python, &folder)).expect("its configuration");
    let mut command = command_with(python, "supervisor");
    command
        .env("PAGES", folder.path(PAGES))
        .args(["-m", "supervisor.supervisord", "-c"])
        .arg(configuration);
    let server = Server::start(&mut command, folder);
    // gunicorn's master is one, too.
    wait_for_workers(&server, WORKERS + 1, "/ready");
    server
}

fn configured(python: &Interpreter, folder: &Folder) -> String {
    let plain = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let gunicorn = command_with(python, "gunicorn");
    let interpreter = std::iter::once(gunicorn.get_program()).chain(gunicorn.get_args());
    let interpreter: Vec<String> = interpreter.map(|word| plain(Path::new(word))).collect();
    format!(
        "[supervisord]\n\
         nodaemon = true\n\
         logfile = /dev/null\n\
         logfile_maxbytes = 0\n\
         pidfile = {}\n\
         [program:web]\n\
         command = {} -m gunicorn --preload --pythonpath {SCRIPTS} --workers {WORKERS} --bind unix:{} wsgi_service:application\n\
         startsecs = 0\n\
         autorestart = false\n",
        plain(&folder.path("supervisord.pid")),
        interpreter.join(" "),
        plain(&folder.path(SOCKET)),
    )
}

/// gunicorn's master: the only process that others inherited from.
fn master(report: &Report) -> u64 {
    let inheritor = report
        .processes()
        .iter()
        .find(|it| it["inherited_pages"].is_u64());
    let master = number(inheritor.expect("a worker"), "parent_id");
    number(report.process(master), "pid")
}

#[test]
fn gunicorn_below_supervisord_is_told_as_if_it_were_traced_itself() {
    if !can_trace("supervisord") {
        return;
    }
    for python in oldest_and_newest() {
        let server = supervisord(&python);
        let planted = planted(&server.path(PAGES));
        let recorded = Recorded::start(server.pid());
        for path in ["/titles", "/sentences"] {
            load(&server, WORKERS, 1, &[path.to_owned()]);
        }
        let (report, words) = recorded.stop();
        expect_told(&python, &report, &planted, WORKERS as u64);
        expect_inheritors(&report, &planted, WORKERS);
        // Also where the dynamic loader has started Python, and is what the kernel calls it by.
        let kinship = format!(
            "{WORKERS} forked from gunicorn ({}); 1 started anew (gunicorn)",
            master(&report)
        );
        assert!(words.contains(&kinship), "{python}: {kinship}: {words}");
        let ceiling = format!("in {WORKERS} workers");
        assert!(words.contains(&ceiling), "{python}: {words}");
    }
}
