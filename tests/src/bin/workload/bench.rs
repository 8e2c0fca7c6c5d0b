//! The benchmark's workload: how long a first write to an inherited page takes.

use std::{io, time::Instant};

use anyhow::{Context as _, Result};

use crate::{child::Child, memory::Memory};

/// `bench PAGES`: prints `ready`, then for each line of input the nanoseconds a page that a child
/// took to write PAGES inherited pages.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let pages = arguments.first().context("how many pages?")?.parse()?;
    let memory = Memory::anonymous(pages)?;
    memory.write_all();
    println!("ready");
    let mut line = String::new();
    while io::stdin().read_line(&mut line)? > 0 {
        let mut child = Child::fork(|| {
            let begun = Instant::now();
            memory.write_all();
            Ok(u64::try_from(begun.elapsed().as_nanos())?)
        })?;
        println!("{:.1}", child.result()? as f64 / pages as f64);
        child.release()?;
        line.clear();
    }
    Ok(())
}
