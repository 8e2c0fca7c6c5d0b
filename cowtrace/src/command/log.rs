//! The log, on standard error.

use std::io::{self, IsTerminal as _};

use crate::{cli::Color, streams::Said};

/// Begins it: `-v` more, `-vv` all.
pub(super) fn start_log(verbose: u8) {
    let level = match verbose {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    let color = Color::Auto.applies(io::stderr().is_terminal());
    let style = if color {
        env_logger::WriteStyle::Always
    } else {
        env_logger::WriteStyle::Never
    };
    let _ = env_logger::Builder::new()
        .filter_level(level)
        .target(env_logger::Target::Pipe(Box::new(Said)))
        // What the loader says about itself helps nobody who looks for copies.
        .filter_module("aya", level.min(log::LevelFilter::Warn))
        .filter_module("aya_obj", level.min(log::LevelFilter::Warn))
        .write_style(style)
        .format_timestamp_millis()
        .try_init();
}
