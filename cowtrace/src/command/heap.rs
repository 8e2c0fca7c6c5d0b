//! `cowtrace heap`: the objects of a running Python process.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
};

use anyhow::{Context as _, Result, anyhow};

use crate::{
    cli::{HeapArgs, HeapFormat},
    foreign::printable_path,
    memory,
    output::NewFile,
    report,
    run::HeapContents,
    runtime::cpython::read_contents,
    streams,
    terminal::Style,
    words,
};

/// Reads a process's objects and prints them.
pub fn run_heap(arguments: &HeapArgs) -> Result<()> {
    let pid = arguments.pid;
    let root = Path::new("/proc");
    let mut file = match &arguments.destination.output {
        Some(path) => Some((path, NewFile::create(path, arguments.destination.force)?)),
        None => None,
    };
    let contents = read_contents(root, pid, arguments.timeout).map_err(|why| {
        let comm = match memory::read_comm(root, pid) {
            comm if comm.is_empty() => String::new(),
            comm => format!(" ({})", words::printable(&comm)),
        };
        anyhow!("cannot list the objects of process {pid}{comm}: {why}")
    })?;
    let color = arguments.destination.color;
    match file.take() {
        None => {
            let is_terminal = io::stdout().is_terminal();
            let style = Style::of_terminal(is_terminal, color.applies(is_terminal));
            let printed = streams::standard_output().and_then(|mut out| {
                write_contents(&contents, arguments, style, &mut out)?;
                out.flush()
            });
            printed.context("cannot write to standard output")
        }
        Some((path, mut file)) => {
            let style = Style::of_terminal(false, color.applies(false));
            let mut out = io::BufWriter::new(file.file());
            write_contents(&contents, arguments, style, &mut out)
                .and_then(|()| out.flush())
                .with_context(|| format!("cannot write to {}", printable_path(path)))?;
            drop(out);
            Ok(file.keep()?)
        }
    }
}

fn write_contents(
    contents: &HeapContents,
    arguments: &HeapArgs,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match arguments.format {
        HeapFormat::Text => report::heap_as_text(contents, arguments.full, style, out),
        HeapFormat::Json => report::heap_as_json(contents, out),
    }
}
