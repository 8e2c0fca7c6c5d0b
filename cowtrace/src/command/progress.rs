//! The line that says how a trace goes, on standard error where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{cli::is_dumb, collect::Progress, words};

/// A line with nothing in it yet.
pub(super) fn progress_bar() -> ProgressBar {
    let target = if is_dumb() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

/// What stands in it.
pub(super) fn progress_text(now: &Progress, before: &Progress, page_bytes: u64) -> String {
    let ns = now.elapsed_ns.saturating_sub(before.elapsed_ns).max(1);
    let pages = now.copied_pages.saturating_sub(before.copied_pages);
    // In 128 bits: bytes times ns leave 64 after some terabytes.
    let rate = u128::from(pages * page_bytes) * 1_000_000_000 / u128::from(ns);
    format!(
        "{:>5}  {} copied  +{}/s  {}  (Ctrl-C ends with the report)",
        words::seconds(now.elapsed_ns),
        words::size(now.copied_pages * page_bytes),
        words::size(u64::try_from(rate).unwrap_or(u64::MAX)),
        words::plural(now.alive as u64, "process"),
    )
}
