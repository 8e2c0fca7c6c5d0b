//! Instructions for which nothing is left to do.

/// Instructions in files that are held: the same few write again and again, and finding their files takes longer than
/// all else that is done for a piece of evidence. Each takes the place of another.
pub(super) struct Settled([u64; 64]);

impl Default for Settled {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Settled {
    pub(super) fn place_of(&mut self, instruction: u64) -> &mut u64 {
        // Instructions of a function differ in their lowest bits.
        let place = (instruction ^ (instruction >> 6)) % 64;
        &mut self.0[place as usize]
    }
}
