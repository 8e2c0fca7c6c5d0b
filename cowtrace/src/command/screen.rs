//! The screen of a trace, or of a recording.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process,
    time::SystemTime,
};

use anyhow::{Context as _, Result};

use super::ends::{End, Ends};
use crate::{
    cli::{Color, is_dumb},
    foreign::printable_path,
    itself::caller,
    live::{Live, Look, Phase},
    output::NewFile,
    report::run_as_html,
    run::Run,
    streams::say_to_user,
    watch::Viewer,
};

/// Fails where no screen can be drawn.
pub(super) fn check_screen() -> Result<()> {
    Ok(Live::check(is_dumb())?)
}

/// Where a traced command prints while there is a screen.
pub(super) struct CommandOutput {
    path: PathBuf,
    file: File,
}

impl CommandOutput {
    /// Creates the file, which belongs to the user who called.
    pub(super) fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("cowtrace-{}.out", process::id()));
        let file = caller::with_rights(|| -> Result<File> {
            let mut new = NewFile::create(&path, false)?;
            let file = new.file().try_clone()?;
            new.keep()?;
            Ok(file)
        });
        let file = file.context("there is no place for what the command prints")?;
        Ok(Self { path, file })
    }

    /// The file, for the command.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// A screen that is drawn.
pub(super) struct Screen {
    live: Live,
    output: Option<PathBuf>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn begin(color: Color, output: Option<CommandOutput>) -> Result<Self> {
        let look = Look::of_terminal(color.applies(io::stdout().is_terminal()));
        let output = output.map(|output| output.path);
        let live = Live::start(look, output.clone(), Box::new(write_report))?;
        Ok(Self { live, output })
    }

    /// Who puts moments on it.
    pub(super) fn viewer(&self) -> Box<dyn Viewer> {
        self.live.viewer()
    }

    /// Shows a run.
    pub(super) fn show(&self, run: Run, phase: Phase) {
        self.live.show(run, phase);
    }

    /// Shows that a trace ends. It goes at once if its user ended it.
    pub(super) fn show_ending(self, cause: End) -> Option<Self> {
        if cause == End::Signal {
            self.leave();
            return None;
        }
        self.live.show_ending();
        Some(self)
    }

    /// Shows the whole run until its user has seen it.
    pub(super) async fn stay(self, run: &Run, ends: &mut Ends) {
        self.show(run.clone(), Phase::Ended);
        ends.next().await;
        self.leave();
    }

    /// Gives the terminal back.
    pub(super) fn leave(self) {
        self.live.leave();
        if let Some(output) = self.output {
            say_to_user(format_args!(
                "cowtrace: what the command printed is in {}",
                printable_path(&output)
            ));
        }
    }
}

/// Writes a report for browsers into the current folder.
fn write_report(run: &Run) -> Result<PathBuf, String> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let name: String = now
        .chars()
        .filter(|it| it.is_ascii_digit() || *it == 'T')
        .collect();
    let path = PathBuf::from(format!("cowtrace-{name}.html"));
    write_page(run, &path).map_err(|error| format!("no report: {error:#}"))?;
    Ok(path)
}

fn write_page(run: &Run, path: &Path) -> Result<()> {
    let mut file = NewFile::create(path, false)?;
    let mut out = BufWriter::new(file.file());
    run_as_html(run, &mut out).and_then(|()| out.flush())?;
    drop(out);
    Ok(file.keep()?)
}
