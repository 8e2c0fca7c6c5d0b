//! Python stacks by name: each function, file and line once, each stack once.

use std::collections::HashMap;

use crate::run::PythonFrame;

/// Stacks and frames of all programs of a trace.
#[derive(Default)]
pub(super) struct Stacks {
    frames: Vec<PythonFrame>,
    frame_ids: HashMap<PythonFrame, u32>,
    all: Vec<Vec<u32>>,
    ids: HashMap<Vec<u32>, u32>,
}

impl Stacks {
    /// Number of a stack, innermost frame first: the same for the same names.
    pub(super) fn add(&mut self, frames: impl IntoIterator<Item = PythonFrame>) -> u32 {
        let stack: Vec<u32> = frames
            .into_iter()
            .map(|frame| id(&mut self.frames, &mut self.frame_ids, frame))
            .collect();
        id(&mut self.all, &mut self.ids, stack)
    }

    /// The frames and the stacks so far.
    pub(super) fn parts(&self) -> (Vec<PythonFrame>, Vec<Vec<u32>>) {
        (self.frames.clone(), self.all.clone())
    }

    /// Gives the frames and the stacks, each by its number.
    pub(super) fn into_parts(self) -> (Vec<PythonFrame>, Vec<Vec<u32>>) {
        (self.frames, self.all)
    }
}

fn id<T: Clone + Eq + std::hash::Hash>(
    all: &mut Vec<T>,
    ids: &mut HashMap<T, u32>,
    item: T,
) -> u32 {
    if let Some(&id) = ids.get(&item) {
        return id;
    }
    // Far fewer than the kernel side's stacks times their frames.
    let id = u32::try_from(all.len()).unwrap_or(u32::MAX);
    all.push(item.clone());
    ids.insert(item, id);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_have_the_same_number() {
        let frame = |line| PythonFrame {
            function: "f".into(),
            file: "a.py".into(),
            line: Some(line),
        };
        let mut stacks = Stacks::default();
        assert_eq!(stacks.add([frame(1), frame(2)]), 0);
        assert_eq!(stacks.add([frame(2), frame(1)]), 1);
        assert_eq!(stacks.add([frame(1), frame(2)]), 0);
        let (frames, stacks) = stacks.into_parts();
        assert_eq!((frames.len(), stacks), (2, vec![vec![0, 1], vec![1, 0]]));
    }
}
