//! `cowtrace heap`: the objects of a running Python process.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _, Write},
    path::Path,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    cli::{HeapArgs, HeapFormat},
    foreign::printable_path,
    memory,
    output::NewFile,
    recording::begins_as_recording,
    report,
    run::{HeapContents, HeapGrowth, HeapLook},
    runtime::cpython::read_contents,
    streams,
    terminal::Style,
    words,
};

/// Largest file of an earlier look, bytes: it has up to 65,536 types.
const MOST_LOOK: u64 = 64 << 20;

/// Reads a process's objects and prints them.
pub fn run_heap(arguments: &HeapArgs) -> Result<()> {
    let pid = arguments.pid;
    let root = Path::new("/proc");
    let mut file = match &arguments.destination.output {
        Some(path) => Some((path, NewFile::create(path, arguments.destination.force)?)),
        None => None,
    };
    let before = arguments.since.as_deref().map(read_look).transpose()?;
    let contents = read_contents(root, pid, arguments.timeout).map_err(|why| {
        let comm = match memory::read_comm(root, pid) {
            comm if comm.is_empty() => String::new(),
            comm => format!(" ({})", words::printable(&comm)),
        };
        anyhow!("cannot list the objects of process {pid}{comm}: {why}")
    })?;
    let growth = match before {
        None => None,
        Some(before) => Some(growth_since(&before, &contents)?),
    };
    let growth = growth.as_ref();
    let color = arguments.destination.color;
    match file.take() {
        None => {
            let is_terminal = io::stdout().is_terminal();
            let style = Style::of_terminal(is_terminal, color.applies(is_terminal));
            let printed = streams::standard_output().and_then(|mut out| {
                write_contents(&contents, growth, arguments, style, &mut out)?;
                out.flush()
            });
            printed.context("cannot write to standard output")
        }
        Some((path, mut file)) => {
            let style = Style::of_terminal(false, color.applies(false));
            let mut out = io::BufWriter::new(file.file());
            write_contents(&contents, growth, arguments, style, &mut out)
                .and_then(|()| out.flush())
                .with_context(|| format!("cannot write to {}", printable_path(path)))?;
            drop(out);
            Ok(file.keep()?)
        }
    }
}

/// Reads an earlier look. It is opened only if it is a file: a pipe may never have an end.
fn read_look(path: &Path) -> Result<HeapLook> {
    let shown = printable_path(path);
    let opened = || {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        File::open(path)
    };
    let mut file = opened().with_context(|| format!("cannot read {shown}"))?;
    if begins_as_recording(&mut file).is_ok_and(|is_one| is_one) {
        bail!(
            "{shown} is the recording of a trace, which keeps no list of all objects: an earlier look is kept \
             by `cowtrace heap --pid PID -f json -o FILE`"
        );
    }
    let mut json = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_LOOK + 1).read_to_end(&mut json))
        .with_context(|| format!("cannot read {shown}"))?;
    if json.len() as u64 > MOST_LOOK {
        bail!("{shown} is no earlier look: it is larger than 64 MiB");
    }
    let look = report::look_of_json(&json);
    look.map_err(|why| anyhow!("{shown} is no earlier look: {why}"))
}

/// What grew since an earlier look, if that is of the same process.
fn growth_since(before: &HeapLook, now: &HeapContents) -> Result<HeapGrowth> {
    if (before.pid, before.started_ticks) != (now.pid, now.started_ticks) {
        bail!(
            "the earlier look is of another process: of {}, and this is {}{}",
            before.pid,
            now.pid,
            if before.pid == now.pid {
                ", which started at another time"
            } else {
                ""
            }
        );
    }
    Ok(HeapGrowth::between(before, now))
}

fn write_contents(
    contents: &HeapContents,
    growth: Option<&HeapGrowth>,
    arguments: &HeapArgs,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match arguments.format {
        HeapFormat::Text => report::heap_as_text(contents, growth, arguments.full, style, out),
        HeapFormat::Json => report::heap_as_json(contents, growth, out),
    }
}
