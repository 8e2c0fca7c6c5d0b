//! A service under the test's control, in a folder of its own; both are gone at the end, however
//! the test ends.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use cowtrace::memory;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// Longer than anything takes here, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A service, with all its descendants.
pub struct Server {
    child: Child,
    folder: Folder,
}

impl Server {
    /// Starts a service whose files are in the folder.
    pub fn start(command: &mut Command, folder: Folder) -> Self {
        let log = File::create(folder.path("log")).expect("the folder can be written to");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, folder }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// All its living descendants.
    pub fn workers(&self) -> Vec<u32> {
        let tree = memory::children_of(Path::new("/proc"), &[self.pid()]).unwrap_or_default();
        tree.into_iter()
            .filter(|process| process.pid != self.pid() && !process.is_dead)
            .map(|process| process.pid)
            .collect()
    }

    /// Waits until a condition holds; otherwise fails with the service's output.
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.repeat(what, || {
            let is_so = holds();
            if !is_so {
                thread::sleep(Duration::from_millis(10));
            }
            is_so
        });
    }

    /// Repeats an action until it is enough; otherwise fails with the service's output.
    pub fn repeat(&self, what: &str, mut is_enough: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_enough() {
            assert!(self.lives(), "{what}: it ended; {}", self.said());
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}; {}",
                self.said()
            );
        }
    }

    fn lives(&self) -> bool {
        memory::read_identity(Path::new("/proc"), self.pid()).is_ok_and(|it| !it.is_dead)
    }

    /// Its standard output and error so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Found while the master exists: orphans have another parent.
        let workers = self.workers();
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = self.child.kill();
        let _ = killpg(group, Signal::SIGKILL);
        for worker in workers {
            let _ = kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// A folder that is removed with the value.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder. Its path is short, because paths of sockets have at most 107 bytes.
    pub fn new(name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("cowtrace-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the folder for temporary files can be written to");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program of the distribution, which `cargo xtask test` installs.
pub fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/bin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("there is no {name}: `cargo xtask test` installs it"))
}
