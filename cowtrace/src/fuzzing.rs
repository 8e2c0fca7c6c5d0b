//! The fuzz targets: decoders of bytes from outside, each as a function of bytes that panics if one
//! of its promises is broken. Each is in the room of the code that it tests (`fuzz.rs`).
//!
//! The programs in fuzz/ run these under libFuzzer. Inputs that once broke something are in
//! fuzz/regressions/, by target, and the unit tests replay them.

use crate::{memory, native, recording, runtime::cpython};

/// A decoder, or several decoders of the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its program and of its folders.
    pub name: &'static str,
    /// Runs an input; panics if a promise is broken.
    pub run: fn(&[u8]),
    /// Seed inputs: real ones, and deeply nested ones.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Longest useful input, bytes.
    pub max_bytes: usize,
    /// Memory in bytes that an input of this many bytes may take at one time.
    pub memory: fn(usize) -> usize,
}

/// All targets.
pub const TARGETS: [Target; 13] = [
    native::fuzz::ANSWERS,
    memory::fuzz::BSS,
    cpython::fuzz::CODE,
    native::fuzz::ELF,
    cpython::fuzz::HEAP,
    cpython::fuzz::INTERPRETER,
    cpython::fuzz::LAYOUT,
    cpython::fuzz::LINES,
    native::fuzz::PERF_MAP,
    memory::fuzz::PROC,
    recording::fuzz::RECORDING,
    cpython::fuzz::TYPES,
    recording::fuzz::VALUES,
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Takes values from the start of the input; zeros once it is used up.
pub(crate) struct Values<'a>(pub(crate) &'a [u8]);

impl<'a> Values<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn half_word(&mut self) -> u32 {
        let mut word = [0; 4];
        let bytes = self.bytes(4);
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(word)
    }

    pub(crate) fn word(&mut self) -> u64 {
        u64::from(self.half_word()) | u64::from(self.half_word()) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn what_once_went_wrong_goes_right() {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions");
        for target in TARGETS {
            // Most have none.
            let Ok(inputs) = fs::read_dir(all.join(target.name)) else {
                continue;
            };
            for input in inputs {
                let path = input.unwrap().path();
                println!("{}", path.display());
                (target.run)(&fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn regressions_are_of_targets() {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions");
        for folder in fs::read_dir(all).unwrap() {
            let name = folder.unwrap().file_name();
            assert!(
                target(name.to_str().unwrap()).is_some(),
                "{}",
                name.display()
            );
        }
    }

    #[test]
    fn seeds_go_right() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{}", target.name);
            for seed in seeds {
                assert!(seed.len() <= target.max_bytes, "{}", target.name);
                (target.run)(&seed);
            }
        }
    }
}
