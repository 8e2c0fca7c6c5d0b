//! The process that reads the files which code is named by. They are foreign: whatever they make of
//! it, it takes no more than this and ends.

use std::{fs, io, os::unix::fs::MetadataExt as _};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::getppid,
};

use crate::native;

/// Memory of its own, bytes: debug information can be large.
const MOST_MEMORY: u64 = 1 << 30;
/// Processor time, seconds.
const MOST_TIME: u64 = 30;

/// Answers what is asked on standard input, by cowtrace alone: it reads what its parent holds, which
/// by sudo anybody could be who may start it.
pub fn run_name() -> Result<()> {
    let asker = getppid().as_raw().unsigned_abs();
    let program = |process: &str| {
        let file = fs::metadata(format!("/proc/{process}/exe"));
        file.map(|it| (it.dev(), it.ino()))
            .context("cannot tell who asks for names")
    };
    ensure!(
        program("self")? == program(&asker.to_string())?,
        "this is a part of cowtrace that only cowtrace itself starts"
    );
    for (resource, most) in [
        (Resource::RLIMIT_DATA, MOST_MEMORY),
        (Resource::RLIMIT_CPU, MOST_TIME),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most).context("cannot limit the process that names code")?;
    }
    native::answer_question(asker, io::stdin().lock(), io::stdout().lock())
        .context("cannot name code")
}
