//! `cowtrace list`: what can be traced here.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};

use crate::{
    cli::{ListArgs, ListFormat, wrong_usage},
    foreign::printable,
    itself::itself_by_sudo,
    report::{trees_as_json, trees_as_text},
    streams,
    targets::list_prefork_trees,
    terminal::Style,
    words::cut,
};

const NO_TARGET: &str = "say what to trace: --pid PID, --unit NAME, --container ID, --cgroup PATH, --match REGEX, or \
                         -- COMMAND";
/// Longer command lines are cut in a message, columns.
const MOST_COMMAND: usize = 50;

/// Lists the prefork trees of this machine.
pub fn run_list(arguments: ListArgs) -> Result<()> {
    let found = list_prefork_trees(Path::new("/proc")).context("/proc cannot be read")?;
    let is_terminal = io::stdout().is_terminal();
    let style = Style::of_terminal(is_terminal, arguments.color.applies(is_terminal));
    let by_sudo = itself_by_sudo();
    let printed = streams::standard_output().and_then(|mut out| {
        match arguments.format {
            ListFormat::Text => trees_as_text(&found, by_sudo.as_deref(), style, &mut out)?,
            ListFormat::Json => trees_as_json(&found, &mut out)?,
        }
        out.flush()
    });
    printed.context("cannot write to standard output")
}

/// The usage error where nothing was given to trace. It names what is most worth tracing here.
pub(super) fn no_target() -> clap::Error {
    let found = list_prefork_trees(Path::new("/proc")).unwrap_or_default();
    let Some(first) = found.trees.first() else {
        return wrong_usage(None, NO_TARGET);
    };
    let what = first.command_line.as_deref().unwrap_or(&first.comm);
    let what = cut(&printable(what), MOST_COMMAND);
    let options = &first.trace_options;
    let first = format!(
        "{NO_TARGET}\n\n  tip: to trace {what}: `cowtrace {options}`; `cowtrace list` lists all that can be traced here"
    );
    wrong_usage(None, &first)
}
