//! What is remembered of processes whose records were joined.

/// Which target each process belonged to whose record was joined with others: a byte for each that there was.
#[derive(Debug, Default)]
pub(super) struct TargetsOfGone(Vec<u8>);

impl TargetsOfGone {
    /// Of no target, or not gone.
    const NONE: u8 = u8::MAX;

    /// Notes the target of one.
    pub(super) fn note(&mut self, id: u32, target: Option<u32>) {
        let (Some(target), Ok(id)) = (target, usize::try_from(id)) else {
            return;
        };
        if self.0.len() <= id {
            self.0.resize(id + 1, Self::NONE);
        }
        self.0[id] = u8::try_from(target).unwrap_or(Self::NONE);
    }

    /// The target of one.
    pub(super) fn get(&self, id: u32) -> Option<u32> {
        let target = *self.0.get(usize::try_from(id).ok()?)?;
        (target != Self::NONE).then_some(u32::from(target))
    }
}
