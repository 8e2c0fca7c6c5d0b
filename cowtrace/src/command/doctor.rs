//! `cowtrace doctor`: what this kernel allows, and what that means for a trace.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::{
    cli::Color,
    itself::itself_by_sudo,
    limits::{LEAST_OPEN_FILES, OpenFiles},
    probe::{
        Kernel, Unseen,
        trial::{self, Trial},
    },
    streams,
    terminal::{self, Style, paragraph},
    words,
};

const NO_OUTPUT: &str = "cannot write to standard output";
const BACKENDS: &str = "Backends, in order of preference:";
/// Where what was said begins, columns: beside what was tried, or in narrow terminals below it.
const BESIDE: usize = 32;
const BELOW: usize = 5;
/// Narrower terminals have no room for both in a line.
const LEAST_BESIDE: usize = 70;

/// Tries everything and prints what came of it.
pub fn run_doctor() -> Result<()> {
    let kernel = Kernel::running().context("/proc cannot be read; is it mounted?")?;
    let is_terminal = io::stdout().is_terminal();
    let style = Style::of_terminal(is_terminal, Color::Auto.applies(is_terminal));
    let mut out = streams::standard_output().context(NO_OUTPUT)?;
    let machine = format!(
        "Linux {} on {}, {}, pages of {} bytes, pids below {}",
        kernel.release,
        kernel.arch,
        words::plural(kernel.cpus as u64, "CPU"),
        kernel.page_bytes,
        kernel.pid_max
    );
    paragraph(&machine, style, &mut out)?;
    writeln!(out)?;
    let mut told = ReasonsShown::default();
    for trial in std::iter::once(open_files()).chain(trial::try_ground()) {
        let text = match trial.result {
            Ok(text) => Ok(text),
            Err(reason) => Err(told.once(trial.what, reason)),
        };
        write_trial(&mut out, trial.what, &text, style)?;
    }
    let backends = trial::try_backends(&kernel);
    writeln!(out)?;
    paragraph(BACKENDS, style, &mut out)?;
    writeln!(out)?;
    for backend in &backends {
        let text = match &backend.result {
            Ok(unseen) => Ok(describe_unseen(unseen)),
            Err(reason) => Err(told.once(backend.name, reason.clone())),
        };
        write_trial(&mut out, backend.name, &text, style)?;
    }
    let Some(taken) = backends.iter().find(|backend| backend.result.is_ok()) else {
        out.flush().context(NO_OUTPUT)?;
        let by_sudo =
            itself_by_sudo().map(|command| format!(". Root may be able to:\n  {command}"));
        bail!(
            "cowtrace cannot trace here; the lines with \"no\" say why{}",
            by_sudo.unwrap_or_default()
        );
    };
    writeln!(out)?;
    let answer = format!("cowtrace can trace here, with the {} backend.", taken.name);
    paragraph(&answer, style, &mut out)?;
    out.flush().context(NO_OUTPUT)
}

/// Whether as many files may be open as a trace needs.
fn open_files() -> Trial {
    let _ = OpenFiles::raise();
    let enough = OpenFiles::check().map(|()| format!("at least {LEAST_OPEN_FILES}"));
    Trial {
        what: "open files",
        result: enough.map_err(|error| error.to_string()),
    }
}

/// Reasons that were told, each with what it was told of: a paragraph is read once.
#[derive(Default)]
struct ReasonsShown(Vec<(String, &'static str)>);

impl ReasonsShown {
    fn once(&mut self, what: &'static str, reason: String) -> String {
        if let Some((_, first)) = self.0.iter().find(|(told, _)| *told == reason) {
            return format!("for the same reason as {first}");
        }
        self.0.push((reason.clone(), what));
        reason
    }
}

/// `yes`, what was tried, and what was said, which goes on under itself.
fn write_trial(
    out: &mut impl io::Write,
    what: &str,
    result: &Result<String, String>,
    style: Style,
) -> io::Result<()> {
    let (Ok(said) | Err(said)) = result;
    let is_beside = style.width >= LEAST_BESIDE;
    let indent = if is_beside { BESIDE } else { BELOW };
    let mut lines = terminal::wrap(said, style.width.saturating_sub(indent)).into_iter();
    let mark = yes_or_no(result.is_ok(), style.color);
    if is_beside {
        let first = lines.next().unwrap_or_default();
        writeln!(out, "{mark}  {what:<26} {first}")?;
    } else {
        writeln!(out, "{mark}  {what}")?;
    }
    lines.try_for_each(|line| writeln!(out, "{:indent$}{line}", ""))
}

/// What a backend cannot see.
fn describe_unseen(unseen: &[Unseen]) -> String {
    if unseen.is_empty() {
        return "sees every copy and its source".into();
    }
    let unseen: Vec<_> = unseen.iter().map(|unseen| unseen.text()).collect();
    format!("does not see {}", unseen.join(", "))
}

/// Attaches programs that do nothing where the tracepoint backend attaches its own, says `ready`,
/// and stays until standard input ends: the floor that the benchmark measures against.
pub fn stay_with_empty_hooks() -> Result<()> {
    let _hooks = trial::attach_empty_hooks()?;
    let mut out = streams::standard_output().context(NO_OUTPUT)?;
    writeln!(out, "ready")
        .and_then(|()| out.flush())
        .context(NO_OUTPUT)?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())
        .context("cannot wait for the end of input")?;
    Ok(())
}

fn yes_or_no(works: bool, color: bool) -> &'static str {
    match (works, color) {
        (true, true) => "\x1b[32myes\x1b[0m",
        (true, false) => "yes",
        (false, true) => "\x1b[31mno \x1b[0m",
        (false, false) => "no ",
    }
}
