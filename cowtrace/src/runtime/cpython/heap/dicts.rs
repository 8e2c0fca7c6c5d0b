//! Dicts: their tables of keys, and the values of dicts that share their keys
//! (Objects/dictobject.c).

use super::{
    kind::ObjectKind,
    objects::HeapObjects,
    offsets::{Attributes, Keys},
    parts::{MAX_ATTRIBUTES, ObjectParts, PartShape, PartTable, Span},
    paths::PathLabel,
    same,
};

/// Largest plausible table of keys: binary logarithm of its size.
const MAX_KEYS: u64 = 40;

impl HeapObjects<'_> {
    pub(super) fn dict(&mut self, at: u64, parts: &mut ObjectParts) {
        let keys = self.member(at, same::DICT_KEYS);
        let values = self.member(at, same::DICT_VALUES);
        let Some(table) = self.keys(keys) else {
            return;
        };
        if values != 0 {
            self.values(values, table.span.count, parts);
        }
        parts.tables.push(table);
    }

    /// The values of a dict whose keys are shared.
    pub(super) fn values(&mut self, values: u64, count: u64, parts: &mut ObjectParts) {
        match self.offsets.attributes {
            Attributes::Dict => parts.table(values, count * 8, values, count, PartShape::Values),
            // Before them lies their insertion order, whose last byte is its length.
            Attributes::Before | Attributes::Tagged => {
                let before = u64::from(self.memory.byte(values.wrapping_sub(1)).unwrap_or(0));
                let start = values.saturating_sub(before);
                parts.table(start, before + count * 8, values, count, PartShape::Values);
            }
            Attributes::Inline => {
                parts.table(
                    values,
                    count * 8 + 8,
                    values.wrapping_add(8),
                    count,
                    PartShape::Values,
                );
            }
        }
    }

    /// The keys table at an address; none if it cannot be one.
    pub(super) fn keys(&mut self, at: u64) -> Option<PartTable> {
        let mut head = [0; 5];
        if at == 0 || self.memory.words(at, &mut head) < head.len() {
            return None;
        }
        let (places, indices, count, first, shape) = match self.offsets.keys {
            Keys::Counted => {
                let places = head[1];
                let width = match places {
                    0..=0xff => 1,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xffff_ffff => 4,
                    _ => 8,
                };
                let indices = places.checked_mul(width)?;
                (places, indices, head[4], 40, PartShape::Triples)
            }
            Keys::Logarithmic => {
                let (places, indices, kind) =
                    (head[1] & 0xff, (head[1] >> 8) & 0xff, head[1] >> 16);
                if places > MAX_KEYS || indices > MAX_KEYS + 3 {
                    return None;
                }
                let shape = if kind as u8 == 0 {
                    PartShape::Triples
                } else {
                    PartShape::Pairs
                };
                (1 << places, 1 << indices, head[3], 32, shape)
            }
        };
        let usable = places.checked_mul(2)? / 3;
        let entries = first + indices;
        let bytes = usable
            .checked_mul(shape.words() * 8)?
            .checked_add(entries)?;
        let fits =
            places.is_power_of_two() && count <= usable && bytes <= self.memory.regions.left(at);
        fits.then_some(PartTable {
            start: at,
            bytes,
            span: Span {
                at: at + entries,
                count,
                shape,
                skip: 0,
            },
        })
    }

    /// The attributes in a dict by name, then the dict.
    pub(super) fn attributes(&mut self, dict: u64, named: bool, parts: &mut ObjectParts) {
        if dict == 0 {
            return;
        }
        if named && self.at_of_kind(dict, ObjectKind::Dict).is_some() {
            let keys = self.member(dict, same::DICT_KEYS);
            let values = self.member(dict, same::DICT_VALUES);
            if values == 0 {
                self.each_entry(keys, |label, value, _| parts.add(label, value));
            } else {
                let header = u64::from(self.offsets.attributes == Attributes::Inline) * 8;
                self.named_values(keys, values.wrapping_add(header), parts);
            }
        }
        parts.add(PathLabel::NONE, dict);
    }

    /// Keys, values and the number of keys of a table of attributes.
    pub(super) fn each_entry(&mut self, keys: u64, mut take: impl FnMut(PathLabel, u64, u64)) {
        let Some(table) = self.keys(keys) else {
            return;
        };
        let words = table.span.shape.words();
        for number in 0..table.span.count.min(MAX_ATTRIBUTES) {
            let at = table.span.at + (number * words + words - 2) * 8;
            let mut entry = [0; 2];
            if self.memory.words(at, &mut entry) < 2 {
                return;
            }
            take(PathLabel::attribute(entry[0]), entry[1], number);
        }
    }

    pub(super) fn named_values(&mut self, keys: u64, values: u64, parts: &mut ObjectParts) {
        let mut labels = Vec::new();
        self.each_entry(keys, |label, _, _| labels.push(label));
        for (number, label) in labels.into_iter().enumerate() {
            let value = self.word(values, number as u64 * 8);
            parts.add(label, value);
        }
    }
}
