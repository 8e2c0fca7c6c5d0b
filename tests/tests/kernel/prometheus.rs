//! A real Prometheus that asks cowtrace for metrics.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cowtrace_tests::{recorded::Folder, web};
use serde_json::Value;

/// The folder of Debian's package; `cargo xtask test` sets it.
const FOLDER: &str = "COWTRACE_PROMETHEUS";
const PATIENCE: Duration = Duration::from_mins(1);

/// A program of the package.
pub(super) fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os(FOLDER).expect("`cargo xtask test` says where Prometheus is");
    PathBuf::from(folder).join("usr/bin").join(name)
}

/// A Prometheus that asks for the metrics five times a second.
pub(super) struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    pub(super) fn start(folder: &Folder, target: &str) -> Self {
        let config = folder.path("prometheus.yml");
        let text = format!(
            "scrape_configs:\n- job_name: cowtrace\n  scrape_interval: 200ms\n  \
             scrape_timeout: 200ms\n  static_configs:\n  - targets: ['{target}']\n"
        );
        fs::write(&config, text).expect("the folder is there");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a free port").to_string();
        let log = fs::File::create(folder.path("prometheus.log")).expect("the folder is there");
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={config}"))
            .arg(format!("--storage.tsdb.path={}", folder.path("data")))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus starts");
        Self { child, address }
    }

    /// The value of an expression; `None` if it has none.
    pub(super) fn ask(&self, expression: &str) -> Option<f64> {
        let mut path = "/api/v1/query?query=".to_owned();
        for byte in expression.bytes() {
            write!(path, "%{byte:02x}").expect("a text takes all");
        }
        let answer = web::get(&self.address, &path, "").ok()?;
        // Not ready yet.
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let value = answer["data"]["result"][0]["value"][1].as_str()?;
        Some(value.parse().expect("a number"))
    }

    /// Waits until an expression has this value.
    #[track_caller]
    pub(super) fn wait_for(&self, expression: &str, expected: f64) {
        let begun = Instant::now();
        loop {
            let found = self.ask(expression);
            if found == Some(expected) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{expression} is {found:?}, not {expected}"
            );
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
