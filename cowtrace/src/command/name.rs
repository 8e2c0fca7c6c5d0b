//! The process that reads the files which code is named by. They are foreign: whatever they make of
//! it, it takes no more than this and ends. Its rights serve to open them: it has none while it
//! reads.

use std::io;

use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, setrlimit};

use crate::{itself, native};

/// Memory of its own, bytes: debug information can be large.
const MOST_MEMORY: u64 = 1 << 30;
/// Processor time, seconds.
const MOST_TIME: u64 = 30;

/// Answers what is asked on standard input, by cowtrace alone.
pub fn run_name() -> Result<()> {
    let asker = itself::find_starter()?;
    for (resource, most) in [
        (Resource::RLIMIT_DATA, MOST_MEMORY),
        (Resource::RLIMIT_CPU, MOST_TIME),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most).context("cannot limit the process that names code")?;
    }
    let (input, output) = (io::stdin().lock(), io::stdout().lock());
    native::answer_question(
        asker,
        input,
        output,
        itself::privileges::renounce_capabilities,
    )
    .context("cannot name code")
}
