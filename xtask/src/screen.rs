//! A terminal that a chore can draw on, read, and type into: tmux.

use std::{
    ffi::{OsStr, OsString},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::packages::Need;

/// What it needs.
pub(crate) const TMUX: Need = Need {
    program: "tmux",
    packages: &["tmux"],
    why: "the live view is drawn on a terminal in it",
};

const PAUSE: Duration = Duration::from_millis(100);

static SCREENS: AtomicU32 = AtomicU32::new(0);

/// A terminal with a program in it, on a server of its own, which ends with this.
pub(crate) struct Screen {
    server: String,
}

impl Screen {
    /// Starts a command in a terminal of so many columns and lines.
    pub(crate) fn start((width, height): (u16, u16), command: &[OsString]) -> Result<Self> {
        let number = SCREENS.fetch_add(1, Ordering::Relaxed);
        let screen = Self {
            server: format!("cowtrace-xtask-{}-{number}", process::id()),
        };
        let (width, height) = (width.to_string(), height.to_string());
        let options = ["-f", "/dev/null", "-u", "new-session", "-d"];
        let size = ["-x", &width, "-y", &height];
        let arguments = options.iter().chain(&size).map(OsStr::new);
        let command = command.iter().map(OsString::as_os_str);
        screen.tmux(arguments.chain(command))?;
        Ok(screen)
    }

    /// Process id of the program.
    pub(crate) fn pid(&self) -> Result<u32> {
        let pid = self.say(&["display", "-p", "#{pane_pid}"])?;
        pid.trim().parse().context("tmux gives no process id")
    }

    /// What is on it, line by line.
    pub(crate) fn text(&self) -> Result<String> {
        self.say(&["capture-pane", "-p"])
    }

    /// The same, with escape sequences for colours.
    pub(crate) fn colored(&self) -> Result<String> {
        self.say(&["capture-pane", "-e", "-p", "-N"])
    }

    /// Types keys, by tmux's names.
    pub(crate) fn press(&self, keys: &[&str]) -> Result<()> {
        self.say(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Waits until a text is on it.
    pub(crate) fn wait_for(&self, text: &str, most: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let shown = self.text()?;
            if shown.contains(text) {
                return Ok(());
            }
            if begun.elapsed() > most {
                bail!("the screen has no {text:?}:\n{shown}");
            }
            thread::sleep(PAUSE);
        }
    }

    fn say(&self, arguments: &[&str]) -> Result<String> {
        self.tmux(arguments.iter().map(OsStr::new))
    }

    fn tmux<'a>(&self, arguments: impl Iterator<Item = &'a OsStr>) -> Result<String> {
        let output = Command::new("tmux")
            .args(["-L", &self.server])
            .args(arguments)
            // Which characters there are, and that this may itself run in a terminal, is not taken from here.
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .env_remove("TMUX")
            .output()
            .context("cannot start tmux")?;
        if !output.status.success() {
            bail!("tmux: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.say(&["kill-server"]);
    }
}
