//! Sets and maps by serial number. The numbers are this program's own, so nobody can choose them to collide, and
//! hashing them can be cheap: much of what is worked out of a run looks each process up several times.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

/// Odd, and without a pattern in its bits: 2 to the power of 64, divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// By serial number.
pub type IdMap<T> = HashMap<u32, T, BuildHasherDefault<IdHasher>>;

/// Serial numbers.
pub type IdSet = HashSet<u32, BuildHasherDefault<IdHasher>>;

/// Spreads a number over all bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(SPREAD);
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(SPREAD);
    }
}
