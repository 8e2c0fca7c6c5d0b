//! A minimal HTTP client that requests pages until workers have answered.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::server::Server;

/// The socket in its folder on which a service listens.
pub const SOCKET: &str = "socket";
/// Number of clients at the same time.
const CLIENTS: usize = 3;
/// Between two requests of a client: it is the service that is looked at, and other tests need the processors, too.
const PAUSE: Duration = Duration::from_millis(5);

/// The body of an answer.
fn get(socket: &Path, path: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if !head.contains(" 200 ") {
        return Err(io::Error::other(format!(
            "{path} is answered by {answer:?}"
        )));
    }
    Ok(body.to_owned())
}

/// Waits until there are this many workers, and one of them answers.
pub fn wait_for_workers(server: &Server, count: usize, path: &str) {
    server.wait("workers that answer", || {
        server.workers().len() == count && get(&server.path(SOCKET), path).is_ok()
    });
}

/// Requests one path after the other until each of this many workers, which answer with their
/// process ids, has answered `least` times.
pub fn load(server: &Server, workers: usize, least: u32, paths: &[String]) {
    let answers: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let is_enough = || {
        let answers = answers.lock().expect("no client failed");
        answers.len() == workers && answers.values().all(|&count| count >= least)
    };
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (answers, is_enough) = (&answers, &is_enough);
            let mut paths = paths.iter().cycle().skip(client * paths.len() / CLIENTS);
            scope.spawn(move || {
                server.repeat("answers of every worker", || {
                    let path = paths.next().expect("a path");
                    let worker = get(&server.path(SOCKET), path);
                    let worker =
                        worker.unwrap_or_else(|error| panic!("{error}; {}", server.said()));
                    *answers
                        .lock()
                        .expect("no client failed")
                        .entry(worker)
                        .or_default() += 1;
                    is_enough()
                });
            });
        }
    });
}

/// Requests one path after the other until then, with a pause after each.
pub fn requests_at_a_pace(server: &Server, paths: &[String], ends: Instant, pause: Duration) {
    let mut paths = paths.iter().cycle();
    server.repeat("answers at a pace", || {
        let answer = get(&server.path(SOCKET), paths.next().expect("a path"));
        answer.unwrap_or_else(|error| panic!("{error}; {}", server.said()));
        thread::sleep(pause);
        Instant::now() >= ends
    });
}

/// Requests a path repeatedly until then. A request to a worker that is exiting may get no answer, and is
/// repeated.
pub fn load_until(server: &Server, path: &str, ends: Instant) {
    let is_over = || Instant::now() >= ends;
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !is_over() {
                    server.repeat("an answer", || {
                        get(&server.path(SOCKET), path).is_ok() || is_over()
                    });
                    thread::sleep(PAUSE);
                }
            });
        }
    });
}
