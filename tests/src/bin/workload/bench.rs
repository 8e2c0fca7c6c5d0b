//! The benchmark's workloads: how long a first write to an inherited page takes, and copies that
//! are kept.

use std::{
    io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    time::{ClockId, clock_gettime},
    unistd::pipe,
};

use crate::{
    child::Child,
    frames,
    memory::{Memory, wait_for_byte},
    touches, wait_for_line,
};

/// Memory with this many pages, all written; then `ready` is printed.
pub(crate) fn prepared(arguments: &[String]) -> Result<Memory> {
    let pages = arguments.first().context("how many pages?")?.parse()?;
    let memory = Memory::anonymous(pages)?;
    memory.write_all();
    println!("ready");
    Ok(memory)
}

/// Prints an answer for each line of input, until the input ends.
pub(crate) fn answer_lines(mut answer: impl FnMut(&str) -> Result<String>) -> Result<()> {
    let mut line = String::new();
    while io::stdin().read_line(&mut line)? > 0 {
        println!("{}", answer(line.trim())?);
        line.clear();
    }
    Ok(())
}

/// `bench PAGES`: prints `ready`. Then, for each line of input, a child writes PAGES inherited
/// pages from as many calls deep as the line says, and the nanoseconds per page are printed. They
/// are processor time, which does not include waiting on a busy machine.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let memory = prepared(arguments)?;
    answer_lines(|line| {
        let calls = line.parse().context("how many calls deep?")?;
        let mut child = Child::fork(|| {
            let begun = processor_time()?;
            frames::write_all(memory, calls);
            Ok(u64::try_from(
                processor_time()?.saturating_sub(begun).as_nanos(),
            )?)
        })?;
        let each = child.result()? as f64 / memory.pages() as f64;
        child.release()?;
        Ok(format!("{each:.1}"))
    })
}

/// `parallel PAGES`: prints `ready`. Then, for each line of input, as many children as the line says write PAGES
/// inherited pages each, all at once. Printed are the nanoseconds per page, as above, and the pages per second of all
/// children together.
pub(crate) fn parallel(arguments: &[String]) -> Result<()> {
    let memory = prepared(arguments)?;
    answer_lines(|line| {
        let count: usize = line.parse().context("how many children?")?;
        let (gate, opener) = pipe()?;
        let write = || {
            wait_for_byte(gate.as_fd());
            let begun = processor_time()?;
            memory.write_all();
            Ok(u64::try_from(
                processor_time()?.saturating_sub(begun).as_nanos(),
            )?)
        };
        let mut children = (0..count)
            .map(|_| Child::fork(write))
            .collect::<Result<Vec<_>>>()?;
        let begun = Instant::now();
        nix::unistd::write(&opener, &vec![1; count])?;
        let mut busy = 0;
        for child in &mut children {
            busy += child.result()?;
        }
        let passed = begun.elapsed().as_secs_f64();
        children.into_iter().try_for_each(Child::release)?;
        let pages = (count * memory.pages()) as f64;
        Ok(format!("{:.1} {:.0}", busy as f64 / pages, pages / passed))
    })
}

/// `hold PAGES`: prints `ready`. After a line of input a child writes PAGES inherited pages and
/// keeps them, and `held` is printed. It exits when the input ends.
pub(crate) fn hold(arguments: &[String]) -> Result<()> {
    let memory = prepared(arguments)?;
    wait_for_line()?;
    let mut child = Child::fork(|| {
        memory.write_all();
        Ok(0)
    })?;
    child.result()?;
    println!("held");
    // Waits for the end of input.
    let _ = wait_for_line();
    child.release()
}

/// `touches PAGES`: prints `ready`. Then, for each line of input, it writes PAGES pages of new memory, gives them back,
/// and prints `touched`.
pub(crate) fn touch(arguments: &[String]) -> Result<()> {
    let pages = arguments.first().context("how many pages?")?.parse()?;
    touches::forbid_huge_pages()?;
    println!("ready");
    answer_lines(|_| {
        let memory = Memory::anonymous(pages)?;
        memory.write_all();
        memory.unmap()?;
        Ok("touched".into())
    })
}

/// Processor time of this thread.
fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
