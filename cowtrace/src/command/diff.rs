//! `cowtrace diff`: what a change did to a service's copies.

use std::{
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cli::{DiffArgs, DiffFormat, wrong_usage},
    diff::{self, Comparison, Measured, Options},
    foreign::{printable, printable_path},
    kept,
    output::{NewFile, refuse_source},
    recording,
    streams::{self, say_to_user},
    terminal::Style,
};

/// NEW copies more than was allowed.
#[derive(Debug, thiserror::Error)]
#[error("{growth}: --fail-above allows {limit}% more")]
pub(super) struct Exceeded {
    growth: String,
    limit: f64,
}

/// The runs did not run alike.
#[derive(Debug, thiserror::Error)]
#[error("--fail-above cannot judge these runs: {0}")]
pub(super) struct Unlike(String);

/// Compares, prints, and fails if that was asked for.
pub fn run_diff(arguments: &DiffArgs) -> Result<()> {
    refuse_vain_limit(arguments)?;
    if arguments.destination.output.is_none()
        && arguments.format() == DiffFormat::Html
        && io::stdout().is_terminal()
    {
        bail!(
            "-f html makes a page for the browser: send it to a file, as in `-f html > diff.html`"
        );
    }
    let sides = Sides::of(arguments)?;
    let comparison = diff::compare_runs(
        measure_recordings(&sides.base)?,
        measure_recordings(&sides.new)?,
        Options {
            per: arguments.per.clone(),
            fail_above: arguments.fail_above,
        },
    )?;
    match &arguments.destination.output {
        Some(path) => {
            refuse_source(path, &sides.base)?;
            refuse_source(path, &sides.new)?;
            write_comparison(&comparison, arguments, path)?;
        }
        None => print_comparison(&comparison, arguments)?,
    }
    fail_on_growth(&comparison)
}

/// The recordings to be compared.
struct Sides {
    base: Vec<PathBuf>,
    new: Vec<PathBuf>,
}

impl Sides {
    /// Those that the user has named; otherwise the last two runs of one program that were kept, which is said.
    fn of(arguments: &DiffArgs) -> Result<Self> {
        if !arguments.base.is_empty() {
            return Ok(Self {
                base: arguments.base.clone(),
                new: arguments.against.clone(),
            });
        }
        let (base, new) = kept::find_last_pair()?;
        for (side, run) in [("BASE", &base), ("NEW", &new)] {
            let path = printable_path(&run.path);
            say_to_user(format_args!("cowtrace: {side} is {}: {path}", run.name));
        }
        Ok(Self {
            base: vec![base.path],
            new: vec![new.path],
        })
    }
}

/// A limit that these runs can never exceed would pass for a check.
fn refuse_vain_limit(arguments: &DiffArgs) -> Result<()> {
    let (base, new) = (arguments.base.len(), arguments.against.len());
    let is_vain = base + new > 2 && !diff::can_tell_growth(base, new);
    if arguments.fail_above.is_some() && is_vain {
        let text = format!(
            "--fail-above cannot tell growth from noise with {base} and {new} runs: give 3 or more per \
             side, or 1 per side to compare without a noise test"
        );
        return Err(wrong_usage(Some("diff"), &text).into());
    }
    Ok(())
}

fn measure_recordings(paths: &[PathBuf]) -> Result<Vec<Measured>> {
    let measured = |path: &PathBuf| {
        let name = path.display().to_string();
        let run = recording::read_recording(path)
            .with_context(|| format!("cannot read {}", printable(&name)))?;
        Ok(Measured::of(&run, name))
    };
    paths.iter().map(measured).collect()
}

fn print_comparison(comparison: &Comparison, arguments: &DiffArgs) -> Result<()> {
    let is_terminal = io::stdout().is_terminal();
    streams::standard_output()
        .and_then(|mut out| {
            render_comparison(comparison, arguments, is_terminal, &mut out)?;
            out.flush()
        })
        .context("cannot write the comparison to standard output")
}

fn write_comparison(comparison: &Comparison, arguments: &DiffArgs, path: &Path) -> Result<()> {
    let mut file = NewFile::create(path, arguments.destination.force)?;
    let mut out = io::BufWriter::new(file.file());
    render_comparison(comparison, arguments, false, &mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("cannot write {}", printable_path(path)))?;
    drop(out);
    file.keep()?;
    // What must be read even if the file is not.
    for warning in &comparison.warnings {
        say_to_user(format_args!(
            "cowtrace: compare with care: {}",
            warning.text
        ));
    }
    Ok(())
}

fn render_comparison(
    comparison: &Comparison,
    arguments: &DiffArgs,
    is_terminal: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    match arguments.format() {
        DiffFormat::Text => {
            let color = arguments.destination.color.applies(is_terminal);
            let style = Style::of_terminal(is_terminal, color);
            diff::comparison_as_text(comparison, style, out)
        }
        DiffFormat::Json => diff::comparison_as_json(comparison, out),
        DiffFormat::Html => diff::comparison_as_html(comparison, out),
    }
}

fn fail_on_growth(comparison: &Comparison) -> Result<()> {
    let Some(limit) = comparison.options.fail_above else {
        return Ok(());
    };
    if let Some(unlike) = &comparison.unlike {
        return Err(Unlike(unlike.clone()).into());
    }
    let limit = limit * 100.0;
    if comparison.fails() {
        let growth = comparison.growth();
        return Err(Exceeded { growth, limit }.into());
    }
    if comparison
        .totals
        .main()
        .relative()
        .is_some_and(|growth| growth * 100.0 > limit)
    {
        say_to_user(format_args!(
            "cowtrace: --fail-above {limit}% passes: the growth may be noise"
        ));
    }
    Ok(())
}
