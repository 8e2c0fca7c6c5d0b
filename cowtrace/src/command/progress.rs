//! The line that says how a trace goes, on standard error where that is a terminal.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{cli::is_dumb, collect::Progress, itself::privileges::need_no_capability, words};

/// Columns of a terminal that does not say.
const USUAL_WIDTH: usize = 80;
/// What takes less needs no line.
const SLOW: Duration = Duration::from_millis(500);
/// Whoever waits for an answer gets what is known of it after this time.
const WAITING: Duration = Duration::from_millis(300);

/// A line that appears when a step takes longer than half a second, and goes with it. Only on a terminal.
pub(super) struct LineOfSlowStep {
    bar: ProgressBar,
    /// Closed when the step has ended.
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LineOfSlowStep {
    /// The step begins.
    pub(super) fn begin(text: String) -> Self {
        Self::begin_on(progress_bar(false), text, SLOW)
    }

    /// The step begins; the text has several lines.
    pub(super) fn begin_with_lines(text: String) -> Self {
        let bar = progress_bar(false);
        bar.set_style(style_of_bar("{msg}"));
        Self::begin_on(bar, text, WAITING)
    }

    /// In a thread of its own: the step may keep this one busy.
    fn begin_on(bar: ProgressBar, text: String, after: Duration) -> Self {
        let (ends, has_ended) = mpsc::channel::<()>();
        let line = bar.clone();
        let wait = move || {
            // It may begin before the trace has given up what it does not need.
            let _ = need_no_capability();
            if has_ended.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                line.set_message(text);
            }
        };
        let thread = thread::Builder::new().name("progress".into()).spawn(wait);
        Self {
            bar,
            ends: Some(ends),
            thread: thread.ok(),
        }
    }
}

impl Drop for LineOfSlowStep {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

/// A line with nothing in it yet; hidden where there is a screen.
pub(super) fn progress_bar(has_screen: bool) -> ProgressBar {
    let target = if has_screen || is_dumb() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(style_of_bar("{wide_msg}"));
    bar
}

fn style_of_bar(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Columns of the terminal of standard error.
pub(super) fn progress_width() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    // One that does not know its width, as over a serial line.
    if columns == 0 { USUAL_WIDTH } else { columns }
}

/// What stands in it. In narrow terminals it says less of how to end the trace.
pub(super) fn progress_text(
    now: &Progress,
    before: &Progress,
    page_bytes: u64,
    width: usize,
) -> String {
    let figures = progress_figures(now, before, page_bytes);
    let ends = ["  (Ctrl-C ends with the report)", "  (Ctrl-C ends)"];
    let room = width.saturating_sub(figures.len());
    let end = ends.iter().find(|end| end.len() <= room);
    figures + end.unwrap_or(&"")
}

fn progress_figures(now: &Progress, before: &Progress, page_bytes: u64) -> String {
    let ns = now.elapsed_ns.saturating_sub(before.elapsed_ns).max(1);
    let pages = now.copied_pages.saturating_sub(before.copied_pages);
    // In 128 bits: bytes times ns leave 64 after some terabytes.
    let rate = u128::from(pages * page_bytes) * 1_000_000_000 / u128::from(ns);
    format!(
        "{:>5}  {} copied  +{}/s  {}",
        words::seconds(now.elapsed_ns),
        words::size(now.copied_pages * page_bytes),
        words::size(u64::try_from(rate).unwrap_or(u64::MAX)),
        match now.alive as u64 {
            0 => "waiting for a process".into(),
            number => words::plural(number, "process"),
        },
    )
}

/// Says that the hooks are on, where no progress is shown.
pub(super) fn tracing_message(processes: usize) -> String {
    let processes = match processes as u64 {
        0 => "what comes".into(),
        number => words::plural(number, "process"),
    };
    format!("tracing {processes}; Ctrl-C or SIGTERM ends the trace with its report")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_shows_all_figures() {
        let before = Progress::default();
        let now = Progress {
            elapsed_ns: 61_500_000_000,
            copied_pages: 300_000,
            alive: 12,
        };
        let text = |width| progress_text(&now, &before, 4096, width);
        let figures = "61.5 s  1.1 GiB copied  +19.1 MiB/s  12 processes";
        assert_eq!(text(60), figures);
        assert_eq!(text(64), format!("{figures}  (Ctrl-C ends)"));
        assert_eq!(
            text(80),
            format!("{figures}  (Ctrl-C ends with the report)")
        );
        assert_eq!(text(10), figures);
    }

    #[test]
    fn only_a_slow_step_has_a_line() {
        let text = || "attaching to the processes of 4242 …".to_owned();
        let bar = ProgressBar::hidden();
        drop(LineOfSlowStep::begin_on(bar.clone(), text(), SLOW));
        assert_eq!(bar.message(), "");
        let step = LineOfSlowStep::begin_on(bar.clone(), text(), Duration::ZERO);
        while bar.message() != text() {
            thread::yield_now();
        }
        drop(step);
        assert!(bar.is_finished());
    }
}
