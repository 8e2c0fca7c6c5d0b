//! What it costs to look at a trace: the time of a frame of the live view with many workers, and processor time of
//! cowtrace while a service rests, alone, with metrics, and with a screen.

use std::{io::Write, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{upkeep, variant, workload::Workload};
use crate::{
    packages, say,
    screen::{Screen, TMUX},
};

const WORKERS: u32 = 10_000;
const FRAMES: u32 = 200;
/// A frame may take this long, µs.
const MOST_FRAME: u64 = 5_000;
/// Ranges of a page in which the resting worker has copied.
const RANGES: u32 = 20_000;
/// Until the copies are counted, and the screen has come.
const SETTLING: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);
const SCREEN: (u16, u16) = (120, 40);

/// Measures and prints both.
pub(crate) fn run(binaries: &Path, out: &mut impl Write) -> Result<()> {
    packages::ensure(&[TMUX])?;
    let (moment, frame) = times(binaries)?;
    writeln!(
        out,
        "\nthe live view with {WORKERS} workers, {FRAMES} frames, medians"
    )?;
    writeln!(
        out,
        "  taking in a moment, once a second  {:>8.2} ms",
        ms(moment)
    )?;
    let reached = if frame <= MOST_FRAME {
        "reached"
    } else {
        "missed"
    };
    writeln!(
        out,
        "  a frame                            {:>8.2} ms  goal {:.0} ms: {reached}",
        ms(frame),
        ms(MOST_FRAME)
    )?;
    writeln!(
        out,
        "\na worker that rests, with {RANGES} live ranges: share of a core"
    )?;
    for (what, share) in shares(binaries)? {
        writeln!(out, "  {what:<10} {:>6.2} %", share * 100.0)?;
    }
    Ok(())
}

fn ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// Of a moment and of a frame, µs.
fn times(binaries: &Path) -> Result<(u64, u64)> {
    say(&format!("frames with {WORKERS} workers"));
    let output = Command::new(binaries.join("examples/frames"))
        .args([WORKERS.to_string(), FRAMES.to_string()])
        .output()
        .context("cannot draw frames")?;
    if !output.status.success() {
        bail!(
            "drawing frames: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    match numbers[..] {
        [moment, frame] => Ok((moment, frame)),
        _ => bail!("times of frames are missing in {text:?}"),
    }
}

/// Of a trace to which nobody looks, of one with metrics, and of one with a screen.
fn shares(binaries: &Path) -> Result<[(&'static str, f64); 3]> {
    let mut workload = Workload::start(binaries, "hold", RANGES)?;
    let cowtrace = binaries.join("cowtrace");
    let options = ["--range", "4KiB"];
    let first = variant::trace(&cowtrace, workload.pid(), &options)?;
    workload.go_on()?;
    workload.expect("held")?;
    say("a trace to which nobody looks");
    thread::sleep(SETTLING);
    let alone = upkeep::cpu_share(first.pid())?;
    first.finish()?;
    say("with --listen");
    let listening = ["--range", "4KiB", "--listen", "127.0.0.1:0"];
    let tracer = variant::trace(&cowtrace, workload.pid(), &listening)?;
    thread::sleep(SETTLING);
    let listen = upkeep::cpu_share(tracer.pid())?;
    tracer.finish()?;
    say("with --live");
    let pid = workload.pid().to_string();
    let mut command = vec![cowtrace.as_os_str().to_owned()];
    for part in ["--pid", &pid, "--range", "4KiB", "--no-keep", "--live"] {
        command.push(part.into());
    }
    let screen = Screen::start(SCREEN, &command)?;
    screen.wait_for("LIVE", PATIENCE)?;
    thread::sleep(SETTLING);
    let live = upkeep::cpu_share(screen.pid()?)?;
    Ok([("alone", alone), ("--listen", listen), ("--live", live)])
}
