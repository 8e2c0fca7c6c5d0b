//! Finds the variables of a running CPython process that hold some addresses, and prints the cost:
//! for measuring the walk by itself.
//!
//!     holders PID FILE        # hexadecimal addresses, one a line

use std::{fs, path::Path};

use anyhow::{Context as _, Result, anyhow};
use cowtrace::writer::{Limits, holders_of};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: holders PID FILE");
    let pid = next()?.parse().context("the first argument is a pid")?;
    let text = fs::read_to_string(next()?).context("cannot read the addresses")?;
    let address = |line: &str| u64::from_str_radix(line.trim_start_matches("0x"), 16);
    let mut addresses = text
        .lines()
        .map(address)
        .collect::<Result<Vec<_>, _>>()
        .context("cannot read an address")?;
    addresses.sort_unstable();
    addresses.dedup();
    let pages = vec![1; addresses.len()];
    let found = holders_of(
        Path::new("/proc"),
        pid,
        addresses,
        pages,
        &Limits::default(),
    )
    .map_err(|why| anyhow!("{why}"))?;
    println!("{found:#?}");
    let status = fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
    Ok(())
}
