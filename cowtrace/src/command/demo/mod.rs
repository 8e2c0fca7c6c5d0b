//! `cowtrace demo`: a service in the image of many real ones, traced for some seconds.

mod native;

use std::ffi::OsString;

use anyhow::{Context as _, Result, bail};

use super::{
    log::start_log,
    session::{TraceTarget, Until},
    trace::trace_until_end,
};
use crate::{
    cli::{DemoArgs, Format, LoadArgs},
    itself,
    run::TracedTarget,
    streams::say_to_user,
    terminal,
};

pub use native::native_service;

/// A master with a large dict, which the workers only read, and objects that their collector looks
/// at.
const SERVICE: &str = include_str!("service.py");

/// Starts the service and traces it until it ends.
pub fn run_demo(arguments: DemoArgs) -> Result<()> {
    let DemoArgs {
        options,
        freeze,
        load,
    } = arguments;
    start_log(options.verbose);
    let python = find_python();
    let command = match &python {
        Some(python) => python_service(python, load, freeze),
        None if freeze => {
            bail!("--freeze needs python3: the native service has no garbage collector")
        }
        None => native_command(load)?,
    };
    let plan = describe_plan(python.is_some(), freeze, load);
    say_to_user(format_args!("cowtrace demo: {plan}"));
    // The master stays until it is told to end, so that its variables can be looked at.
    let until = Until {
        duration: None,
        workers: usize::try_from(load.workers).ok(),
    };
    let name = TracedTarget {
        name: "demo".into(),
        what: "command cowtrace demo".into(),
    };
    let mut target = TraceTarget::Demo(&command);
    let observed = trace_until_end(&mut target, vec![name], until, &options)?;
    observed.print(&options)?;
    if options.shown.format() == Format::Text {
        let text = format!(
            "The service never changes that data: {}. Your own service:",
            explain_copies(python.is_some())
        );
        // Whole, to be copied.
        let command = itself::command_by_sudo(&["--pid", "MASTER"]);
        let text = terminal::wrap(&text, 80).join("\n");
        say_to_user(format_args!("\n{text}\n  {command}"));
    }
    observed.recorded?;
    Ok(observed.command?)
}

fn describe_plan(is_python: bool, freeze: bool, load: LoadArgs) -> String {
    let LoadArgs {
        workers,
        megabytes,
        seconds,
    } = load;
    if is_python {
        let freezes = if freeze { " and freezes them" } else { "" };
        format!(
            "a Python master loads {megabytes} MiB{freezes}, then {} them and {} garbage for {seconds} s",
            if workers == 1 {
                "1 worker reads".to_owned()
            } else {
                format!("{workers} workers read")
            },
            if workers == 1 { "collects" } else { "collect" }
        )
    } else {
        format!(
            "a native (no python3 here) master loads {megabytes} MiB, then {} them for {seconds} s",
            if workers == 1 {
                "1 worker only reads".to_owned()
            } else {
                format!("{workers} workers only read")
            }
        )
    }
}

const fn explain_copies(is_python: bool) -> &'static str {
    if is_python {
        "reading a Python object writes its reference count, and the garbage collector writes \
         the headers of the objects it visits (--freeze prevents that)"
    } else {
        "readers of the native service write a counter in each object, as CPython does"
    }
}

/// The interpreter itself: python3 may be a wrapper that starts others first. The one that the caller
/// has, asked as the caller.
fn find_python() -> Option<OsString> {
    let ask = "import os, sys; os.fork; print(sys.executable)";
    let mut python = itself::untraced_command("python3").ok()?;
    let output = python.args(["-c", ask]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !path.trim().is_empty()).then(|| path.trim().into())
}

fn python_service(python: &OsString, load: LoadArgs, freeze: bool) -> Vec<OsString> {
    let numbers = [
        load.workers,
        load.megabytes,
        load.seconds,
        u32::from(freeze),
    ]
    .map(|number| OsString::from(number.to_string()));
    // Under a name of its own, for the report's lines.
    let run = "import sys; exec(compile(sys.argv.pop(1), 'service.py', 'exec'))";
    [python.clone(), "-c".into(), run.into(), SERVICE.into()]
        .into_iter()
        .chain(numbers)
        .collect()
}

fn native_command(load: LoadArgs) -> Result<Vec<OsString>> {
    let program = itself::own_path().context("cannot find this program")?;
    let options = [
        ("--workers", load.workers),
        ("--megabytes", load.megabytes),
        ("--seconds", load.seconds),
    ];
    let options = options
        .into_iter()
        .flat_map(|(name, number)| [OsString::from(name), number.to_string().into()]);
    Ok([program.into_os_string(), itself::DEMO_SERVICE.into()]
        .into_iter()
        .chain(options)
        .collect())
}
