//! The `cowtrace` program: arguments, dispatch, exit status.

#![deny(clippy::print_stderr, clippy::print_stdout)]

use std::{
    io::{self, IsTerminal as _, Write as _},
    panic,
    process::{self, ExitCode},
};

use anyhow::Context as _;

use cowtrace::{
    cli::{self, Color, Subcommands},
    command, foreign, itself, streams,
};

/// Called when the program is loaded, before Rust's runtime opens closed standard streams.
// SAFETY: the section holds pointers to functions of this type, which the C library calls.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = streams::look_for_output;

/// A panic in any thread ends the program: without one of its parts, a trace would report wrong figures. The
/// recording has all but the last second.
fn end_at_a_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        report(what);
        process::abort();
    }));
}

fn main() -> ExitCode {
    end_at_a_panic();
    let cli = match cli::parse_arguments() {
        Ok(cli) => cli,
        Err(told) if cli::wants_build(&told) => return end_with(command::print_build()),
        Err(told) => return tell(&told),
    };
    // A trace, which has no subcommand, gives them up itself where it does not need them.
    let keeps_privileges = cli
        .command
        .as_ref()
        .is_none_or(Subcommands::needs_privileges);
    if !keeps_privileges && let Err(error) = itself::caller::become_caller() {
        return fail(&error.into());
    }
    let result = match cli.command {
        None => command::run_trace(&cli.trace),
        Some(Subcommands::Report(arguments)) => command::run_report(&arguments),
        Some(Subcommands::List(arguments)) => command::run_list(arguments),
        Some(Subcommands::Doctor) => command::run_doctor(),
        Some(Subcommands::Demo(arguments)) => command::run_demo(arguments),
        Some(Subcommands::Diff(arguments)) => command::run_diff(&arguments),
        Some(Subcommands::Heap(arguments)) => command::run_heap(&arguments),
        Some(Subcommands::Label(arguments)) => command::run_label(&arguments),
        Some(Subcommands::Completions { shell }) => command::print_completions(shell),
        Some(Subcommands::Man { folder: None }) => command::print_manual(),
        Some(Subcommands::Man {
            folder: Some(folder),
        }) => command::write_manual(&folder),
        Some(Subcommands::Become { at_once, command }) => {
            let status = itself::become_command(&command, at_once);
            return ExitCode::from(u8::try_from(status).unwrap_or(1));
        }
        Some(Subcommands::Name) => command::run_name(),
        Some(Subcommands::EmptyHooks) => command::stay_with_empty_hooks(),
        Some(Subcommands::NativeService(load)) => command::native_service(load),
    };
    end_with(result)
}

/// Prints what failed, if anything did, and returns the exit status.
fn end_with(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<command::AlreadyReported>() => ExitCode::FAILURE,
        Err(error) => match error.downcast_ref::<clap::Error>() {
            Some(usage) => tell(usage),
            None => fail(&error),
        },
    }
}

/// Prints clap's message: help, or what is wrong with the arguments.
fn tell(told: &clap::Error) -> ExitCode {
    if told.use_stderr() {
        let text = styled(told, io::stderr().is_terminal());
        streams::say_to_user(format_args!("{}", text.trim_end_matches('\n')));
        return ExitCode::from(command::WRONG_USAGE);
    }
    let text = styled(told, io::stdout().is_terminal());
    let printed = streams::standard_output().and_then(|mut out| {
        out.write_all(text.as_bytes())?;
        out.flush()
    });
    match printed.context("cannot write to standard output") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn styled(told: &clap::Error, is_terminal: bool) -> String {
    let text = told.render();
    if Color::Auto.applies(is_terminal) {
        text.ansi().to_string()
    } else {
        text.to_string()
    }
}

/// Prints what failed, and returns the exit status for it.
fn fail(error: &anyhow::Error) -> ExitCode {
    let bold = Color::Auto.applies(io::stderr().is_terminal());
    let name = if bold {
        "\x1b[1;31merror\x1b[0m"
    } else {
        "error"
    };
    let text = foreign::printable_message(&format!("{error:#}"));
    streams::say_to_user(format_args!("{name}: {text}"));
    ExitCode::from(command::status_of(error))
}

/// The reader of the report stopped reading early, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
