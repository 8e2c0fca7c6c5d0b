//! Memory that the kernel has written to swap. There must be some.

use std::{thread, time::Duration};

use anyhow::Result;
use nix::sys::mman::MmapAdvise;
use serde_json::Value;

use crate::{
    PAGES,
    child::{Child, writer},
    memory::{Memory, changed_by},
};

/// Bit 62 of a page's entry of pagemap.
const SWAPPED: u64 = 1 << 62;

/// Memory of which every page is in swap.
pub(crate) fn out() -> Result<Memory> {
    let memory = Memory::anonymous(PAGES)?;
    memory.write_all();
    // Pages that another processor has just used are left out at first.
    for _ in 0..200 {
        memory.advise(MmapAdvise::MADV_PAGEOUT)?;
        if memory.entries()?.iter().all(|entry| entry & SWAPPED != 0) {
            return Ok(memory);
        }
        thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("the kernel keeps pages in memory: is there swap?");
}

/// A child reads all pages, so that they are present again, and writes them.
pub(crate) fn read_and_written(memory: &Memory) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| {
        memory.read_all();
        changed_by(*memory, || {
            memory.write_all();
            Ok(())
        })
    })?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}
