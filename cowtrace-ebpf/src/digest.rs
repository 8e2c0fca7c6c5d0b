//! Digests of stacks and of registers.

/// Adds a word to a digest. Among some thousand stacks, two get the same digest in one of 2^40 traces.
#[inline(always)]
pub fn add_to_digest(digest: u64, word: u64) -> u64 {
    (digest ^ word)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
}
