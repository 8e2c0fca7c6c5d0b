//! The stack of the depth-first walk: objects, and remainders of tables, 16 bytes each. A long
//! table is one entry, and its last item leaves no entry behind, so the stack grows only where
//! structures branch.

use super::{
    objects::HeapObjects,
    parts::{BLOCK_SLOTS, BLOCK_WORDS, PartShape, Span},
};

/// Most entries: 16 MiB.
const MAX_ENTRIES: usize = 1 << 20;
/// References that are taken from a table at a time.
pub(super) const BATCH: usize = 32;
const TAG_SHIFT: u32 = 48;
const VALUE: u64 = (1 << TAG_SHIFT) - 1;
const SHAPES: [PartShape; 7] = [
    PartShape::Items,
    PartShape::Elements,
    PartShape::Pairs,
    PartShape::Triples,
    PartShape::Loose,
    PartShape::Blocks,
    PartShape::Values,
];

/// An object (tag 0) or a span (its shape plus 1), with its length and the skipped part.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackEntry(u64, u64);

impl StackEntry {
    pub(super) fn object(address: u64) -> Self {
        Self(address & VALUE, 0)
    }

    pub(super) fn span(span: &Span) -> Self {
        let tag = span.shape as u64 + 1;
        Self(
            tag << TAG_SHIFT | (span.at & VALUE),
            span.skip << TAG_SHIFT | span.count.min(VALUE),
        )
    }

    pub(super) fn address(self) -> u64 {
        self.0 & VALUE
    }

    pub(super) fn as_span(self) -> Option<Span> {
        let tag = (self.0 >> TAG_SHIFT) as usize;
        let shape = *SHAPES.get(tag.checked_sub(1)?)?;
        Some(Span {
            at: self.address(),
            count: self.1 & VALUE,
            shape,
            skip: self.1 >> TAG_SHIFT,
        })
    }
}

#[derive(Default)]
pub(super) struct WalkStack {
    entries: Vec<StackEntry>,
    /// Whether an entry was dropped for lack of room.
    pub(super) is_partial: bool,
}

impl WalkStack {
    #[inline]
    pub(super) fn push(&mut self, entry: StackEntry) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(entry);
        } else {
            self.is_partial = true;
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<StackEntry> {
        self.entries.pop()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Takes references from a span, leaves its remainder on the stack, and returns their number.
    pub(super) fn take(
        &mut self,
        span: &Span,
        objects: &mut HeapObjects<'_>,
        found: &mut [u64; BATCH],
    ) -> usize {
        if span.shape == PartShape::Blocks {
            return self.take_block(span, objects, found);
        }
        let words = span.shape.words() as usize;
        let entries = (BATCH / 2).min(usize::try_from(span.count).unwrap_or(BATCH));
        let mut read = [0; BATCH / 2 * 3];
        let length = objects.memory.words(span.at, &mut read[..entries * words]);
        let done = length / words;
        if done == entries && span.count > entries as u64 {
            self.push(StackEntry::span(&Span {
                at: span.at + (entries * words) as u64 * 8,
                count: span.count - entries as u64,
                ..*span
            }));
        } else if done < entries {
            self.skip_absent(span, done as u64, objects);
        }
        let mut taken = 0;
        for entry in read[..done * words].chunks_exact(words) {
            let references = match span.shape {
                PartShape::Elements => &entry[..1],
                PartShape::Triples => &entry[1..],
                _ => entry,
            };
            for &reference in references.iter().filter(|reference| **reference != 0) {
                if span.shape == PartShape::Loose && objects.guess(reference).is_none() {
                    continue;
                }
                found[taken] = reference;
                taken += 1;
            }
        }
        taken
    }

    /// Continues after a piece of a table of which no page is present.
    fn skip_absent(&mut self, span: &Span, done: u64, objects: &mut HeapObjects<'_>) {
        let bytes = span.shape.words() * 8;
        let absent = span.at + done * bytes;
        let next = objects.memory.regions.next_present(absent);
        let Some(skipped) = next.and_then(|next| next.checked_sub(span.at)) else {
            return;
        };
        // Never backwards: an entry across the border is left out.
        let entries = skipped.div_ceil(bytes).max(done + 1);
        if entries < span.count {
            self.push(StackEntry::span(&Span {
                at: span.at + entries * bytes,
                count: span.count - entries,
                ..*span
            }));
        }
    }

    fn take_block(
        &mut self,
        span: &Span,
        objects: &mut HeapObjects<'_>,
        found: &mut [u64; BATCH],
    ) -> usize {
        let mut block = [0; BLOCK_WORDS as usize];
        if span.skip >= BLOCK_SLOTS || objects.memory.words(span.at, &mut block) < block.len() {
            return 0;
        }
        let left = (BLOCK_SLOTS - span.skip).min(span.count);
        let length = (left as usize).min(BATCH);
        // The first word leads to the previous block, the last to the next one.
        let first = 1 + span.skip as usize;
        found[..length].copy_from_slice(&block[first..first + length]);
        let count = span.count - length as u64;
        let skip = span.skip + length as u64;
        let (at, skip) = if skip == BLOCK_SLOTS {
            (block[block.len() - 1], 0)
        } else {
            (span.at, skip)
        };
        if count > 0 {
            self.push(StackEntry::span(&Span {
                at,
                count,
                skip,
                ..*span
            }));
        }
        length
    }
}
