//! Writes the inputs that fuzzing begins with into a folder for each target, below the one given;
//! and prints the names of all targets, each with the length of its longest inputs.

use std::{env, fs, io, path::PathBuf};

use cowtrace::fuzzing::TARGETS;
// What is built to be fuzzed needs what counts its coverage.
use libfuzzer_sys as _;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("give a folder"))?;
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        println!("{} {}", target.name, target.max_bytes);
    }
    Ok(())
}
