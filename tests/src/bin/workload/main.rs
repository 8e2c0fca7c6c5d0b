//! Processes whose copies are known: each run does one case, given by name.
//!
//! It prepares its memory, prints `{"ready": …}` with the addresses, waits for a line on standard
//! input, does the case, and prints `{"done": …}` with what each process wrote and how many of its
//! page frames changed (from the kernel's pagemap). Then it waits for the end of input. In some
//! cases its children stay until a second line.

mod bench;
mod cases;
mod child;
mod crowd;
mod foreign;
mod frames;
mod ksm;
mod made;
mod mappings;
mod memory;
mod odd;
mod soak;
mod stalls;
mod storm;
mod swapped;
mod touches;
mod tree;

use std::{env, io, process};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use memory::Memory;

/// Pages in a case, unless its name says otherwise.
const PAGES: usize = 1000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Err(error) = run(&arguments) {
        eprintln!("workload: {error:#}");
        process::exit(1);
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let name = arguments.first().context("which case?")?.as_str();
    if name == "bench" {
        return bench::run(&arguments[1..]);
    }
    if name == "parallel" {
        return bench::parallel(&arguments[1..]);
    }
    if name == "hold" {
        return bench::hold(&arguments[1..]);
    }
    if name == "touches" {
        return bench::touch(&arguments[1..]);
    }
    if name == "stalls" {
        return stalls::run(&arguments[1..]);
    }
    if name == "soak" {
        return soak::run(&arguments[1..]);
    }
    if name == "mappings" {
        return mappings::run(&arguments[1..]);
    }
    if name == "storm" {
        return storm::run(&arguments[1..]);
    }
    if name == "crowd" {
        return crowd::run(&arguments[1..]);
    }
    if let Some(case) = cases::ALL.iter().find(|case| case.name == name) {
        let memory = (case.prepare)()?;
        ready(&memory)?;
        let writers = (case.run)(&memory)?;
        done(&json!({ "writers": writers }));
        return Ok(());
    }
    let mut cases = tree::ALL.iter().chain(odd::ALL);
    if let Some((_, run)) = cases.find(|(known, _)| *known == name) {
        let memory = Memory::anonymous(PAGES)?;
        memory.write_all();
        ready(&memory)?;
        done(&run(&memory)?);
        return Ok(());
    }
    if let Some((_, run)) = made::ALL.iter().find(|(known, _)| *known == name) {
        let memory = Memory::anonymous(PAGES)?;
        memory.write_all();
        ready(&memory)?;
        let staying = run(&memory)?;
        done(&json!({ "writers": staying.writers }));
        staying.leave()?;
        done(&json!("left"));
        return Ok(());
    }
    bail!("there is no case {name}");
}

/// Reports that the memory is ready, and waits for the start.
fn ready(memory: &Memory) -> Result<()> {
    say(
        &json!({ "ready": { "start": memory.start(), "end": memory.end(), "pid": process::id() } }),
    );
    wait_for_line().context("nobody said go")
}

/// Reports what was done, and waits for the end of input or another line.
fn done(truth: &Value) {
    say(&json!({ "done": truth }));
    // The end of input counts as a line.
    let _ = wait_for_line();
}

fn say(value: &Value) {
    use io::Write as _;
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{value}");
    let _ = out.flush();
}

fn wait_for_line() -> io::Result<()> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
