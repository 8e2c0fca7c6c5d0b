//! Stacks by name: each frame and each stack is stored once.

use std::{collections::HashMap, hash::Hash};

use crate::run::{Stack, StackEnd};

/// Stacks of all programs of a trace, and their frames.
pub(super) struct Stacks<F> {
    frames: Numbered<F>,
    stacks: Numbered<Stack>,
}

/// Distinct values, each with a number.
struct Numbered<T> {
    all: Vec<T>,
    ids: HashMap<T, u32>,
}

impl<F: Clone + Eq + Hash> Stacks<F> {
    /// Number of a frame; equal names have the same number.
    pub(super) fn frame(&mut self, frame: F) -> u32 {
        self.frames.id(frame)
    }

    /// Number of a stack, innermost frame first; equal frames have the same number.
    pub(super) fn add(&mut self, frames: Vec<u32>, end: StackEnd) -> u32 {
        self.stacks.id(Stack { frames, end })
    }

    /// The frames and the stacks so far.
    pub(super) fn parts(&self) -> (Vec<F>, Vec<Stack>) {
        (self.frames.all.clone(), self.stacks.all.clone())
    }

    /// Returns the frames and the stacks, in the order of their numbers.
    pub(super) fn into_parts(self) -> (Vec<F>, Vec<Stack>) {
        (self.frames.all, self.stacks.all)
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn id(&mut self, item: T) -> u32 {
        if let Some(&id) = self.ids.get(&item) {
            return id;
        }
        // Far fewer than the kernel side's stacks times their frames.
        let id = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(item.clone());
        self.ids.insert(item, id);
        id
    }
}

impl<F> Default for Stacks<F> {
    fn default() -> Self {
        Self {
            frames: Numbered::default(),
            stacks: Numbered::default(),
        }
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            ids: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::PythonFrame;

    #[test]
    fn the_same_names_have_the_same_number() {
        let mut stacks = Stacks::default();
        let mut frame = |line| {
            stacks.frame(PythonFrame {
                function: "f".into(),
                file: "a.py".into(),
                line: Some(line),
            })
        };
        let [one, two, again] = [frame(1), frame(2), frame(1)];
        assert_eq!([one, two, again], [0, 1, 0]);
        assert_eq!(stacks.add(vec![one, two], StackEnd::Outermost), 0);
        assert_eq!(stacks.add(vec![two, one], StackEnd::Outermost), 1);
        assert_eq!(stacks.add(vec![one, two], StackEnd::Limit), 2);
        assert_eq!(stacks.add(vec![one, two], StackEnd::Outermost), 0);
        let (frames, stacks) = stacks.into_parts();
        assert_eq!((frames.len(), stacks.len()), (2, 3));
        assert_eq!(stacks[1].frames, [1, 0]);
    }
}
