//! `cargo xtask screenshot`: the pictures in docs/, of a gunicorn service under load: the live view, the first lines of
//! its report, and its page in a browser.

mod ansi;
mod report;
mod svg;

use std::{
    env,
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    packages, privilege, say,
    screen::{Screen, TMUX},
    services, setup, workspace,
};

/// Columns and lines.
const SIZE: (u16, u16) = (100, 30);
/// The service, and its options.
const APP: &str = include_str!("screenshot/shop.py");
const OPTIONS: &str = "--preload --workers 4 --bind unix:shop.sock";
/// The recording, in the service's folder.
const RECORDING: &str = "shop.cow";
/// The pictures of the live view: key of the table, file, and what is seen.
const PICTURES: [(&str, &str, &str); 2] = [
    (
        "1",
        "live-workers.svg",
        "The live view of a gunicorn service: the verdict, copies over time, its workers, and where they copied",
    ),
    (
        "4",
        "live-lines.svg",
        "The live view of the same service: the Python lines that copied",
    ),
];
/// Between two requests.
const REQUEST_PAUSE: Duration = Duration::from_millis(4);
/// How long it is watched before the picture: a verdict takes 20 s.
const WATCHED: Duration = Duration::from_secs(24);
const PATIENCE: Duration = Duration::from_mins(1);

/// The pictures' options.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take them with what is built in this folder already, and these Python packages; what the set-up starts as root
    #[arg(long, hide = true, num_args = 2, value_names = ["FOLDER", "PACKAGES"])]
    prepared: Option<Vec<PathBuf>>,
}

/// Sets up, builds, and takes the pictures.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some([binaries, packages]) = options.prepared.as_deref() {
        return take_pictures(binaries, packages);
    }
    setup::ensure()?;
    packages::ensure(&[TMUX])?;
    packages::ensure(&report::NEEDS)?;
    let packages = services::ensure()?;
    workspace::build_program()?;
    let itself = env::current_exe().context("cannot find this program")?;
    let arguments: [OsString; 4] = [
        "screenshot".into(),
        "--prepared".into(),
        workspace::binaries()?.into(),
        packages.into(),
    ];
    workspace::run(&mut privilege::command(
        "trace the service",
        itself.as_os_str(),
        arguments,
    )?)
}

fn take_pictures(binaries: &Path, packages: &Path) -> Result<()> {
    let service = Service::start(packages)?;
    let pid = service.child.id().to_string();
    let cowtrace = binaries.join("cowtrace");
    let recording = service.folder.join(RECORDING);
    let mut command = vec![cowtrace.clone().into_os_string()];
    for part in ["--name", "shop", "--pid", &pid, "--live", "-o"] {
        command.push(part.into());
    }
    command.push(recording.clone().into());
    let screen = Screen::start(SIZE, &command)?;
    screen.wait_for("LIVE", PATIENCE)?;
    say(&format!("watching a service for {} s", WATCHED.as_secs()));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = service.ask();
                thread::sleep(REQUEST_PAUSE);
            }
        });
        let taken = watch(&screen);
        is_over.store(true, Ordering::Relaxed);
        taken
    })?;
    end(&screen)?;
    report::take_pictures(&cowtrace, &recording, &service.folder)
}

fn watch(screen: &Screen) -> Result<()> {
    thread::sleep(WATCHED);
    for (key, file, title) in PICTURES {
        screen.press(&[key])?;
        thread::sleep(Duration::from_secs(2));
        let lines = ansi::lines_of_screen(&screen.colored()?);
        fs::write(written(file), svg::picture(&lines, SIZE.0, title))
            .with_context(|| format!("cannot write docs/{file}"))?;
    }
    Ok(())
}

/// Ends the trace, and waits for its recording: the screen closes with cowtrace.
fn end(screen: &Screen) -> Result<()> {
    screen.press(&["q"])?;
    let begun = Instant::now();
    while screen.text().is_ok() {
        if begun.elapsed() > PATIENCE {
            bail!("cowtrace does not end");
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The path of a picture, which is announced.
fn written(file: &str) -> PathBuf {
    say(&format!("writing docs/{file}"));
    workspace::root().join("docs").join(file)
}

/// A gunicorn service, which ends with this.
struct Service {
    child: Child,
    folder: PathBuf,
}

impl Service {
    fn start(packages: &Path) -> Result<Self> {
        let folder = env::temp_dir().join(format!("cowtrace-shop-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        fs::write(folder.join("shop.py"), APP)?;
        let child = Command::new("python3")
            .args(["-m", "gunicorn", "shop:app"])
            .env("GUNICORN_CMD_ARGS", OPTIONS)
            .current_dir(&folder)
            .env("PYTHONPATH", packages)
            // It keeps a socket of its own there.
            .env("HOME", &folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start python3")?;
        let service = Self { child, folder };
        let begun = Instant::now();
        while service.ask().is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("gunicorn does not answer");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(service)
    }

    /// Has it answer a request.
    fn ask(&self) -> Result<()> {
        let mut stream = UnixStream::connect(socket_in(&self.folder))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if !answer.starts_with(b"HTTP/1.0 200") {
            bail!("gunicorn refuses");
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Its workers see that it is gone, and end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("shop.sock")
}
