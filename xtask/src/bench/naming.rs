//! The cost of naming code: the naming process is asked for places all over the program itself,
//! which is large and has debug information with inlined functions.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    ops::Range,
    os::fd::AsRawFd as _,
    path::Path,
    process::{self, Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::upkeep;
use crate::say;

/// Number of places to name, all different.
const PLACES: u64 = 10_000;
/// At least this many of them have a name: the rest lies between functions.
const NAMED: usize = 9_000;

/// The cost.
pub(crate) struct Naming {
    pub(crate) places: u64,
    pub(crate) time: Duration,
    pub(crate) peak_kib: u64,
}

/// Names places spread evenly over the code of cowtrace.
pub(crate) fn measure(binaries: &Path) -> Result<Naming> {
    say(&format!("naming {PLACES} places"));
    let program = binaries.join("cowtrace");
    let code = code_of(&fs::read(&program)?).context("cowtrace has no code")?;
    let file = File::open(&program)?;
    let step = (code.end - code.start) / PLACES;
    let places: Vec<Value> = (0..PLACES)
        .map(|place| json!({ "at": code.start + place * step, "is_return": false }))
        .collect();
    let source = json!({ "File": { "descriptor": file.as_raw_fd(), "inode": null } });
    let question = json!({
        "holder": process::id(),
        "parts": [{ "source": source, "places": places }],
    });
    let begun = Instant::now();
    // cowtrace itself names code only for cowtrace.
    let mut child = Command::new(binaries.join("examples/naming"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the process that names code")?;
    let pid = child.id();
    let (peak, answer) = thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&mut child, &question));
        let mut peak = 0;
        while !asking.is_finished() {
            peak = peak.max(upkeep::peak_kib(pid).unwrap_or(0));
            thread::sleep(Duration::from_millis(1));
        }
        (peak, asking.join())
    });
    let Ok(answer) = answer else {
        bail!("asking for names failed");
    };
    let named = answer?.matches("\"function\":\"").count();
    if named < NAMED {
        bail!("{named} of {PLACES} places have a name: the time would say nothing");
    }
    Ok(Naming {
        places: PLACES,
        time: begun.elapsed(),
        peak_kib: peak,
    })
}

fn ask(child: &mut Child, question: &Value) -> Result<String> {
    let mut input = child.stdin.take().context("no input")?;
    serde_json::to_writer(&mut input, question)?;
    input.flush()?;
    drop(input);
    let mut answer = String::new();
    let mut output = child.stdout.take().context("no output")?;
    output.read_to_string(&mut answer)?;
    child.wait()?;
    Ok(answer)
}

/// Where the code of a program lies, by its program headers (elf(5), 64 bits): the first executable
/// segment.
fn code_of(program: &[u8]) -> Option<Range<u64>> {
    const EXECUTABLE: u32 = 1;
    const LOADED: u32 = 1;
    let half = |at: usize| {
        Some(u16::from_le_bytes(
            program.get(at..at + 2)?.try_into().ok()?,
        ))
    };
    let word = |at: usize| {
        Some(u32::from_le_bytes(
            program.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    let long = |at: usize| {
        Some(u64::from_le_bytes(
            program.get(at..at + 8)?.try_into().ok()?,
        ))
    };
    let headers = usize::try_from(long(32)?).ok()?;
    (0..usize::from(half(56)?)).find_map(|number| {
        let header = headers + number * 56;
        let is_code = word(header)? == LOADED && word(header + 4)? & EXECUTABLE != 0;
        let (offset, bytes) = (long(header + 8)?, long(header + 32)?);
        is_code.then_some(offset..offset + bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_code_is_found() {
        let program = fs::read("/proc/self/exe").unwrap();
        let code = code_of(&program).unwrap();
        assert!(code.start < code.end && code.end <= program.len() as u64);
        assert_eq!(code_of(b"\x7fELF"), None);
    }
}
