//! Writes the seed inputs into a folder for each target, below the given one, and prints the names
//! of all targets, each with the length of its longest inputs.

use std::{env, fs, io, path::PathBuf};

use cowtrace::fuzzing::TARGETS;
// Only programs built for fuzzing have the code that counts coverage.
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
