//! `cowtrace doctor`: what this kernel allows, and what that means for a trace.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::{
    cli::Color,
    probe::{Kernel, trial},
};

/// Tries everything and prints what came of it.
pub fn doctor() -> Result<()> {
    let kernel = Kernel::running().context("/proc cannot be read; is it mounted?")?;
    let trials = trial::all(&kernel);
    let color = Color::Auto.applies(io::stdout().is_terminal());
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Linux {} on {}, {} CPUs, pages of {} bytes, pids below {}\n",
        kernel.release, kernel.arch, kernel.cpus, kernel.page_bytes, kernel.pid_max
    )?;
    for trial in &trials {
        let (mark, text) = match &trial.result {
            Ok(text) => (paint("yes", "32", color), text),
            Err(text) => (paint("no ", "31", color), text),
        };
        writeln!(
            out,
            "{mark}  {:<25} {:<29} {text}",
            trial.what, trial.used_for
        )?;
    }
    match trials.last() {
        Some(trial) if trial.result.is_ok() => {
            writeln!(
                out,
                "\ncowtrace can trace here, with the tracepoint backend."
            )?;
            Ok(())
        }
        _ => bail!("cowtrace cannot trace here; the lines with \"no\" say why"),
    }
}

/// Attaches programs that do nothing where the tracepoint backend attaches its own, says `ready`,
/// and stays until standard input ends: the floor that the benchmark measures against.
pub fn empty_hooks() -> Result<()> {
    let _hooks = trial::empty_hooks()?;
    println!("ready");
    io::copy(&mut io::stdin().lock(), &mut io::sink())
        .context("cannot wait for the end of input")?;
    Ok(())
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
