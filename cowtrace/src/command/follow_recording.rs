//! `cowtrace report --live`: a recording on the screen, also one that another process still writes.

use std::{fs, io::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    ends::Ends,
    screen::{Screen, check_screen},
};
use crate::{
    cli::Color, foreign::printable_path, live::Phase, recording, report::run_in_a_sentence,
    run::Run, streams, terminal::Style,
};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Shows it until its user has seen it.
pub(super) fn show_recording(path: &Path, color: Color) -> Result<()> {
    check_screen()?;
    let mut known = FileState::of(path);
    let mut run = read(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut ends = Ends::listen(true)?;
        let screen = Screen::begin(color, None)?;
        show(&screen, &run);
        loop {
            let pause = tokio::time::sleep(LOOK_INTERVAL);
            tokio::select! {
                _ = ends.next() => break,
                () = pause => {}
            }
            let now = FileState::of(path);
            if now == known {
                continue;
            }
            known = now;
            // It may be gone, or just be replaced: what is shown stays.
            if let Ok(newer) = read(path) {
                run = newer;
                show(&screen, &run);
            }
        }
        screen.leave();
        print_sentence(&run)
    })
}

/// Leaves in the terminal what the screen said last.
fn print_sentence(run: &Run) -> Result<()> {
    let mut out = streams::standard_output()?;
    let style = Style::of_terminal(true, false);
    run_in_a_sentence(run, style, &mut out)?;
    Ok(out.flush()?)
}

fn show(screen: &Screen, run: &Run) {
    let phase = if run.head.unfinished {
        Phase::Live
    } else {
        Phase::Ended
    };
    screen.show(run.clone(), phase);
}

fn read(path: &Path) -> Result<Run> {
    recording::read_recording(path)
        .with_context(|| format!("cannot report {}", printable_path(path)))
}

/// By which a change of a recording is seen: a file that is written has a journal beside it.
#[derive(PartialEq, Eq)]
struct FileState([Option<(u64, std::time::SystemTime)>; 2]);

impl FileState {
    fn of(path: &Path) -> Self {
        let mut journal = path.as_os_str().to_owned();
        journal.push("-wal");
        let state = |path: &Path| {
            let file = fs::metadata(path).ok()?;
            Some((file.len(), file.modified().ok()?))
        };
        Self([state(path), state(Path::new(&journal))])
    }
}
