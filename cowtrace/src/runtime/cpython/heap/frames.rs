//! Frames, running and suspended, and closures: objects held by variables in code.

use super::{
    kind::ObjectKind, objects::HeapObjects, offsets::Generator, parts::ObjectParts,
    paths::PathLabel, same,
};

/// Most plausible local variables of a frame, and stack depth.
const MAX_LOCALS: u64 = 4096;

impl HeapObjects<'_> {
    /// The closed-over variables of a function, by the names in its code.
    pub(super) fn closure(&mut self, closure: u64, code: u64, parts: &mut ObjectParts) {
        if closure == 0 || self.at_of_kind(closure, ObjectKind::Tuple).is_none() {
            return;
        }
        let count = self.member(closure, same::SIZE);
        let names = self.member(code, self.offsets.code.free);
        let all = self.member(names, same::SIZE);
        if !(count..=MAX_LOCALS).contains(&all) {
            return;
        }
        for index in 0..count {
            let items = self.offsets.tuple_items;
            let name = self.member(names, items + (all - count + index) * 8);
            let cell = self.member(closure, items + index * 8);
            if self.at_of_kind(cell, ObjectKind::Cell).is_some() {
                let content = self.member(cell, same::CELL);
                parts.add(PathLabel::closure(name), content);
            }
        }
    }

    /// The frame of a generator, or a frame object.
    pub(super) fn suspended(&mut self, at: u64, kind: ObjectKind, parts: &mut ObjectParts) {
        match (kind, self.offsets.generator) {
            (ObjectKind::Frame, Generator::Object(_)) => self.frame(at, parts),
            (ObjectKind::Frame, Generator::Inside { .. }) => {
                let frame = self.member(at, same::FRAME_OBJECT);
                self.frame(frame, parts);
            }
            (_, Generator::Object(offset)) => {
                let frame = self.member(at, offset);
                parts.add(PathLabel::NONE, frame);
            }
            (
                _,
                Generator::Inside {
                    state,
                    frame,
                    running,
                },
            ) => {
                // A running one is among the threads' frames.
                let is_suspended = self
                    .memory
                    .byte(at + self.offsets.header.longer + state)
                    .is_some_and(|state| state.cast_signed() < running);
                if is_suspended {
                    self.frame(at + self.offsets.header.longer + frame, parts);
                }
            }
        }
    }

    /// The code of a generator or of a frame object.
    pub(super) fn suspended_code(&mut self, at: u64) -> Option<u64> {
        let object = self.at(at)?;
        let longer = self.offsets.header.longer;
        let frame = match (self.kind(&object), self.offsets.generator) {
            (ObjectKind::Frame, Generator::Object(_)) => at,
            (ObjectKind::Frame, Generator::Inside { .. }) => self.member(at, same::FRAME_OBJECT),
            (ObjectKind::Generator, Generator::Object(offset)) => self.member(at, offset),
            (ObjectKind::Generator, Generator::Inside { frame, .. }) => {
                at.checked_add(longer + frame)?
            }
            _ => return None,
        };
        let code = self.frame_code(frame);
        self.at_of_kind(code, ObjectKind::Code).map(|_| code)
    }

    /// Local variables of a frame by name, and the values on its stack.
    pub(super) fn frame(&mut self, frame: u64, parts: &mut ObjectParts) {
        let code = self.frame_code(frame);
        if self.at_of_kind(code, ObjectKind::Code).is_none() {
            return;
        }
        let mut number = 0;
        for offset in self.offsets.code.locals {
            let names = self.member(code, *offset);
            let count = self.member(names, same::SIZE);
            if self.at_of_kind(names, ObjectKind::Tuple).is_none() || count > MAX_LOCALS {
                return;
            }
            for index in 0..count {
                let name = self.member(names, self.offsets.tuple_items + index * 8);
                let value = self.local(frame, number);
                number += 1;
                if value != 0 && self.at_of_kind(value, ObjectKind::Cell).is_some() {
                    let content = self.member(value, same::CELL);
                    parts.add(PathLabel::local(name), content);
                    parts.add(PathLabel::NONE, value);
                } else {
                    parts.add(PathLabel::local(name), value);
                }
            }
        }
        let stack_size = self.offsets.header.longer + self.offsets.code.stack_size;
        let stack = self.memory.half_word(code + stack_size);
        for _ in 0..u64::from(stack.unwrap_or(0)).min(MAX_LOCALS) {
            let value = self.local(frame, number);
            number += 1;
            if value != 0 && self.guess(value).is_some() {
                parts.temporaries.push(value);
            }
        }
    }

    pub(super) fn frame_code(&mut self, frame: u64) -> u64 {
        self.word(frame, self.offsets.frame.code) & !7
    }

    /// From 3.14 on, the lowest bits of references in frames are flags.
    fn local(&mut self, frame: u64, number: u64) -> u64 {
        self.word(frame, self.offsets.frame.locals + number * 8) & !7
    }
}
