//! A terminal that a test can read, resize and type into: tmux.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_mins(1);

/// A terminal with a program in it, on a server of its own.
pub struct Terminal {
    server: String,
}

impl Terminal {
    /// Starts a shell command in a terminal of this size.
    ///
    /// # Panics
    /// If tmux is not there.
    #[must_use]
    pub fn start(name: &str, size: (u16, u16), command: &str) -> Self {
        let terminal = Self {
            server: format!("cowtrace-{name}-{}", std::process::id()),
        };
        let (width, height) = (size.0.to_string(), size.1.to_string());
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "-u",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            command,
        ]);
        terminal
    }

    /// What is on it, line by line.
    #[must_use]
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Types keys, by tmux's names.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Gives it another size.
    pub fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        self.tmux(&["resize-window", "-x", &width, "-y", &height]);
    }

    /// Whether the alternate screen is shown, and whether the cursor is.
    #[must_use]
    pub fn state(&self) -> String {
        let state = self.tmux(&["display", "-p", "#{alternate_on} #{cursor_flag}"]);
        state.trim().to_owned()
    }

    /// Waits until the screen contains a text, and returns all of it.
    ///
    /// # Panics
    /// If it does not within a minute.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// Waits until the screen fits, and returns it.
    ///
    /// # Panics
    /// If it does not within a minute.
    #[track_caller]
    pub fn wait_until(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what} on\n{screen}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        assert!(
            output.status.success(),
            "tmux {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn call(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-L", &self.server])
            .args(arguments)
            .env_remove("TMUX")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("tmux is there; `cargo xtask test` installs it")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.call(&["kill-server"]);
    }
}
