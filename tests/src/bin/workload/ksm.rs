//! Kernel same-page merging, switched on until a case's memory is merged.

use std::{
    collections::HashSet,
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::mman::MmapAdvise;

use crate::memory::Memory;

const SETTINGS: &str = "/sys/kernel/mm/ksm";
/// A merged page is mapped at most this often (`max_page_sharing`, 256 by default), so one frame
/// serves this many pages.
const PAGES_A_FRAME: usize = 128;
/// Time for two full scans of all mergeable memory, under software emulation.
const PATIENCE: Duration = Duration::from_mins(1);

/// Lets the kernel merge the pages of this memory, which are all equal.
pub(crate) fn merge(memory: Memory) -> Result<()> {
    memory.advise(MmapAdvise::MADV_MERGEABLE)?;
    let before = [
        set("pages_to_scan", "20000")?,
        set("sleep_millisecs", "1")?,
        set("run", "1")?,
    ];
    let merged = wait_until_merged(memory);
    for (name, value) in ["pages_to_scan", "sleep_millisecs", "run"]
        .into_iter()
        .zip(before)
    {
        set(name, &value)?;
    }
    merged
}

fn wait_until_merged(memory: Memory) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let frames: HashSet<u64> = memory.frames()?.into_iter().collect();
        if frames.len() <= memory.pages().div_ceil(PAGES_A_FRAME) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "KSM left {} pages in {} frames",
            memory.pages(),
            frames.len()
        );
        sleep(Duration::from_millis(20));
    }
}

/// Changes a setting and returns its previous value.
fn set(name: &str, value: &str) -> Result<String> {
    let path = format!("{SETTINGS}/{name}");
    let before = fs::read_to_string(&path)
        .with_context(|| format!("{path}: this kernel has no KSM (CONFIG_KSM)"))?;
    fs::write(&path, value).with_context(|| path.clone())?;
    Ok(before.trim().to_owned())
}
