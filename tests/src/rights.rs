//! The rights of threads, as the kernel says them: /proc/PID/status (proc(5)).

use std::{fs, io, path::Path};

/// A thread's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The thread's name.
    pub name: String,
    /// The capabilities that it may use, as a mask.
    pub permitted: u64,
    /// Those that the kernel asks for.
    pub effective: u64,
    /// Whether programs that it starts get no more.
    pub no_new_privs: bool,
}

impl Rights {
    /// By the status of a process or thread; none if it is gone.
    ///
    /// # Panics
    /// If the kernel's text has another form.
    #[must_use]
    pub fn read(status: &Path) -> Option<Self> {
        let text = fs::read_to_string(status).ok()?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a line of this name").trim()
        };
        let mask = |name: &str| u64::from_str_radix(value(name), 16).expect("a mask");
        Some(Self {
            name: value("Name:").to_owned(),
            permitted: mask("CapPrm:"),
            effective: mask("CapEff:"),
            no_new_privs: value("NoNewPrivs:") == "1",
        })
    }

    /// Those of the first thread of this process.
    ///
    /// # Panics
    /// If /proc is not there.
    #[must_use]
    pub fn own() -> Self {
        Self::read(Path::new("/proc/self/status")).expect("this process is there")
    }

    /// Those of every thread of a process, the first one first.
    ///
    /// # Panics
    /// If there is no such process.
    #[must_use]
    pub fn of_threads(pid: u32) -> Vec<Self> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
        let status = |thread: io::Result<fs::DirEntry>| Some(thread.ok()?.path().join("status"));
        let status = threads.filter_map(status);
        status.filter_map(|status| Self::read(&status)).collect()
    }
}
