//! `cowtrace heap`: the objects of a running Python process, or those that a recording kept.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    cli::{Destination, HeapArgs, HeapFormat},
    foreign::printable_path,
    itself::itself_by_sudo,
    memory::{self, Refusal},
    output::NewFile,
    recording::{begins_as_recording, read_recording},
    report::{self, HeapSince},
    run::{HeapContents, HeapGrowth, HeapLook, Run},
    runtime::cpython::read_contents,
    streams,
    terminal::Style,
    words,
};

/// Largest file of an earlier look, bytes: it has up to 65,536 types.
const MOST_LOOK: u64 = 64 << 20;

/// Reads a process's objects and prints them; or what a recording kept of objects on new memory.
pub fn run_heap(arguments: &HeapArgs) -> Result<()> {
    let destination = &arguments.destination;
    if let Some(recording) = &arguments.recording {
        let run = read_grown(recording, arguments.format())?;
        let file = created_output(destination)?;
        let name = recording.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        return print_or_save(file, destination, |style, out| {
            report::grown_as_text(&name, &run, style, out)
        });
    }
    let pid = arguments.pid.unwrap_or_default();
    let file = created_output(destination)?;
    let before = arguments.since.as_deref().map(read_look).transpose()?;
    let contents = contents_of(pid, arguments.timeout)?;
    let growth = match before {
        None => None,
        Some(before) => Some(growth_since(&before, &contents)?),
    };
    let name_of_look = arguments.since.as_deref().and_then(Path::file_name);
    let name_of_look = name_of_look.unwrap_or_default().to_string_lossy();
    print_or_save(file, destination, |style, out| match arguments.format() {
        HeapFormat::Text => {
            let since = growth.as_ref().map(|growth| HeapSince {
                file: &name_of_look,
                growth,
                is_partial: !contents.limits.is_empty(),
            });
            report::heap_as_text(&contents, since, arguments.full, style, out)
        }
        HeapFormat::Json => report::heap_as_json(&contents, growth.as_ref(), out),
    })
}

/// The file to write to, if one is wanted.
fn created_output(destination: &Destination) -> Result<Option<NewFile>> {
    let create = |path: &PathBuf| NewFile::create(path, destination.force);
    Ok(destination.output.as_ref().map(create).transpose()?)
}

fn contents_of(pid: u32, time: Duration) -> Result<HeapContents> {
    let root = Path::new("/proc");
    read_contents(root, pid, time).map_err(|why| {
        let comm = match memory::read_comm(root, pid) {
            comm if comm.is_empty() => String::new(),
            comm => format!(" ({})", words::printable(&comm)),
        };
        let by_sudo = by_sudo_if_refused(root, pid).unwrap_or_default();
        anyhow!("cannot list the objects of process {pid}{comm}: {why}{by_sudo}")
    })
}

/// The command that lists them as root, where this user may not read the process and root may.
fn by_sudo_if_refused(root: &Path, pid: u32) -> Option<String> {
    let refused = memory::try_reading(root, pid).err()?;
    let is_hidden = refused.kind() == io::ErrorKind::PermissionDenied
        && matches!(memory::why_refused(root), Refusal::NotRoot);
    let command = itself_by_sudo().filter(|_| is_hidden)?;
    Some(format!(":\n  {command}"))
}

/// Prints on standard output, or into a file.
fn print_or_save(
    file: Option<NewFile>,
    destination: &Destination,
    write: impl Fn(Style, &mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let color = destination.color;
    let Some(mut file) = file else {
        let is_terminal = io::stdout().is_terminal();
        let style = Style::of_terminal(is_terminal, color.applies(is_terminal));
        let printed = streams::standard_output().and_then(|mut out| {
            write(style, &mut out)?;
            out.flush()
        });
        return printed.context("cannot write to standard output");
    };
    let style = Style::of_terminal(false, color.applies(false));
    let mut out = io::BufWriter::new(file.file());
    write(style, &mut out)
        .and_then(|()| out.flush())
        .context("cannot write to the file of -o")?;
    drop(out);
    Ok(file.keep()?)
}

/// A recorded run that kept what lives on new memory.
fn read_grown(recording: &Path, format: HeapFormat) -> Result<Run> {
    let shown = printable_path(recording);
    if format == HeapFormat::Json {
        bail!(
            "the JSON of a recording is that of `cowtrace report {shown} -f json`: see `grown` there"
        );
    }
    let run = read_recording(recording).with_context(|| format!("cannot read {shown}"))?;
    if run.growth.grown.heaps.is_empty() {
        bail!(
            "{shown} has no objects on new memory: no Python processes that lived at its end had grown by \
             4 MiB, or an older cowtrace recorded it"
        );
    }
    Ok(run)
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
