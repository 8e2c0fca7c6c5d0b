//! `cowtrace report`: what a live trace would have printed, of a run that was recorded.

use std::{
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::follow_recording::show_recording;
use crate::{
    cli::{Color, Format, ReportArgs, Shown},
    foreign::{printable_path, shell_word},
    kept,
    output::{NewFile, refuse_source},
    recording::{self, RecordingWriter},
    redact::redact_run,
    report::{self, Extent, Histogram},
    run::Run,
    streams::{self, say_to_user},
    terminal::Style,
};

/// Reports the last run that was kept.
pub(super) const REPORT_LAST: &str = "cowtrace report";

/// Reports a run without names: the path of its recording has some as well.
const REPORT_REDACTED: &str = "cowtrace report RECORDING --redact";
/// The end of a recording's name.
const RECORDING: &str = "cow";

/// Reads a recording and reports it.
pub fn run_report(arguments: &ReportArgs) -> Result<()> {
    let shown = arguments.shown();
    if arguments.destination.output.is_none() {
        check_printable(shown.format())?;
    }
    check_shown(shown)?;
    let path = match &arguments.recording {
        Some(path) => path.clone(),
        None => last_recording()?,
    };
    if let Some(output) = &arguments.destination.output {
        refuse_source(output, std::slice::from_ref(&path))?;
        refuse_recording_of_text(arguments, output)?;
    }
    if arguments.live {
        return show_recording(&path, arguments.destination.color);
    }
    let mut run = recording::read_recording(&path)
        .with_context(|| format!("cannot report {}", printable_path(&path)))?;
    let again = arguments.recording.as_deref().map(reporting_command);
    let mut again = again.as_deref().unwrap_or(REPORT_LAST);
    if arguments.redact {
        redact_run(&mut run);
        again = REPORT_REDACTED;
    }
    let extent = extent_of_report(shown.full, Some(again));
    match &arguments.destination.output {
        None => print_report(&run, shown, extent, arguments.destination.color),
        Some(output) => {
            if arguments.redact && is_recording(output) {
                let force = arguments.destination.force;
                return Ok(RecordingWriter::create(output, force, &run)?.finish(&run)?);
            }
            save_report(&run, arguments, extent, output)
        }
    }
}

/// Refuses to write a report into what is called like a recording, unless a recording is written.
fn refuse_recording_of_text(arguments: &ReportArgs, output: &Path) -> Result<()> {
    if is_recording(output) && !arguments.redact {
        bail!(
            "{} would be a report with the name of a recording: copy the recording instead, or add --redact, which \
             writes one without names",
            printable_path(output)
        );
    }
    Ok(())
}

/// Whether a file is to be a recording, by its name.
fn is_recording(output: &Path) -> bool {
    output.extension().is_some_and(|end| end == RECORDING)
}

/// The command that reports a recording.
pub(super) fn reporting_command(recording: &Path) -> String {
    let mut path = recording.to_owned();
    // What begins with a dash would be an option.
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        path = Path::new(".").join(path);
    }
    format!("{REPORT_LAST} {}", shell_word(path.as_os_str()))
}

/// How much is printed; `again` is the command that prints the report again, if one does.
pub(super) const fn extent_of_report(full: bool, again: Option<&str>) -> Extent<'_> {
    if full {
        Extent::Full
    } else {
        Extent::Short(again)
    }
}

/// The recording of the last run that was kept, which is said.
fn last_recording() -> Result<PathBuf> {
    let last = kept::find_last_kept()?;
    say_to_user(format_args!(
        "cowtrace: {}: {}",
        last.name,
        printable_path(&last.path)
    ));
    Ok(last.path)
}

fn save_report(run: &Run, arguments: &ReportArgs, extent: Extent<'_>, output: &Path) -> Result<()> {
    let mut file = NewFile::create(output, arguments.destination.force)?;
    let style = Style::of_terminal(false, arguments.destination.color.applies(false));
    let mut out = io::BufWriter::new(file.file());
    render_report(run, arguments.shown(), extent, style, &mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("cannot write the report to {}", printable_path(output)))?;
    drop(out);
    Ok(file.keep()?)
}

/// Refuses what no terminal can show, before it is made.
pub(super) fn check_printable(format: Format) -> Result<()> {
    match format {
        Format::Pprof if io::stdout().is_terminal() => {
            bail!("-f pprof makes a binary file: send it to a file, as in `-f pprof > run.pb.gz`")
        }
        Format::Html if io::stdout().is_terminal() => {
            bail!(
                "-f html makes a page for the browser: send it to a file, as in `-f html > run.html`"
            )
        }
        _ => Ok(()),
    }
}

/// Refuses what does not fit together.
pub(super) fn check_shown(shown: Shown) -> Result<()> {
    if shown.no_histogram && shown.format() != Format::Json {
        bail!("--no-histogram leaves the histogram out of a report in JSON: add -f json");
    }
    Ok(())
}

/// Prints a run on standard output.
pub(super) fn print_report(
    run: &Run,
    shown: Shown,
    extent: Extent<'_>,
    color: Color,
) -> Result<()> {
    let is_terminal = io::stdout().is_terminal();
    let style = Style::of_terminal(is_terminal, color.applies(is_terminal));
    let printed = streams::standard_output().and_then(|mut out| {
        render_report(run, shown, extent, style, &mut out)?;
        out.flush()
    });
    if shown.format() == Format::Folded && run.copied().total() == 0 {
        say_to_user(format_args!(
            "cowtrace: no page was copied on write in this run: there are no stacks to print"
        ));
    }
    match printed {
        // Its reader has seen enough. Whatever else there is to say is said.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("cannot write the report to standard output"),
    }
}

fn render_report(
    run: &Run,
    shown: Shown,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match shown.format() {
        Format::Text => report::run_as_text(run, extent, style, out),
        Format::Json if shown.no_histogram => report::run_as_json(run, Histogram::LeftOut, out),
        Format::Json => report::run_as_json(run, Histogram::Whole, out),
        Format::Csv => report::run_as_csv(run, out),
        Format::Html => report::run_as_html(run, out),
        Format::Folded => report::run_as_folded_stacks(run, out),
        Format::Pprof => report::run_as_pprof(run, out),
    }
}
