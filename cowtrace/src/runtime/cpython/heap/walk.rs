//! The walk: breadth first as long as objects have informative names, then depth first below each
//! large container, whose name covers everything below it. Every object is visited once, and
//! nothing recurses.

use std::collections::HashMap;

use super::{
    copied::{Copied, NOWHERE},
    deadline::Deadline,
    later::{LargeContainers, OpaqueTable},
    memory::Marks,
    objects::HeapObjects,
    occupancy::Occupancy,
    parts::{BLOCK_WORDS, MAX_ATTRIBUTES, MAX_NAMED, ObjectParts, PartShape, PartTable, Span},
    paths::{PathLabel, Tree},
    same,
    stack::{BATCH, StackEntry, WalkStack},
    tally::Tally,
};

/// Most steps from a root that get names.
const MAX_DEPTH: u8 = 12;
/// Most additional names that are remembered: 1.5 MiB.
const MAX_ALIASES: usize = 1 << 16;
/// Most entries that are postponed until names are assigned: 24 MiB. Further ones are followed at
/// once.
const MAX_DEFERRED: usize = 1 << 20;

/// Where objects are counted, those without references that are at least this large get a node,
/// bytes.
const LARGE_LEAF: u64 = 64 << 10;

/// Another name of an object that already has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alias {
    pub(super) object: u64,
    pub(super) parent: u32,
    pub(super) label: PathLabel,
}

pub(super) struct Walk<'a> {
    pub(super) objects: HeapObjects<'a>,
    pub(super) marks: Marks,
    pub(super) copied: Copied,
    /// Landmarks, for later copies.
    pub(super) landmarks: Copied,
    /// What lies on the copied pages and the others; empty if it is not wanted.
    pub(super) occupancy: Occupancy,
    pub(super) tree: Tree,
    pub(super) deadline: Deadline,
    /// Modules and their dicts: only their own paths lead through them.
    pub(super) boundaries: Vec<u64>,
    /// Entries to follow depth first, and the node that each belongs to.
    deferred: Vec<(u32, StackEntry)>,
    pub(super) max_deferred: usize,
    pub(super) late: Vec<(u32, u64)>,
    pub(super) aliases: Vec<Alias>,
    /// How many copied objects a node refers to that were found under another node.
    pub(super) also: HashMap<u32, u64>,
    pub(super) visited: u64,
    pub(super) stack: WalkStack,
    /// Sums over all objects, if they are wanted.
    pub(super) tally: Option<Tally>,
    /// Containers that are read again if they change.
    pub(super) large: LargeContainers,
    /// What interpreters and extension modules keep in memory of their own, by node: followed once no variable leads
    /// to anything more.
    pub(super) states: Vec<(u32, PartTable)>,
    /// Memory of unknown content that is assigned last.
    pub(super) opaque: Vec<OpaqueTable>,
    /// The number of the first type that was not looked at as a class.
    pub(super) next_class: u32,
    parts: ObjectParts,
    also_now: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        objects: HeapObjects<'a>,
        [copied, landmarks]: [Copied; 2],
        deadline: Deadline,
    ) -> Self {
        Self {
            marks: Marks::new(objects.memory.regions.chunks()),
            objects,
            copied,
            landmarks,
            occupancy: Occupancy::default(),
            tree: Tree::default(),
            deadline,
            boundaries: Vec::new(),
            deferred: Vec::new(),
            max_deferred: MAX_DEFERRED,
            late: Vec::new(),
            aliases: Vec::new(),
            also: HashMap::new(),
            visited: 0,
            stack: WalkStack::default(),
            tally: None,
            large: LargeContainers::default(),
            states: Vec::new(),
            opaque: Vec::new(),
            next_class: 0,
            parts: ObjectParts::default(),
            also_now: 0,
        }
    }

    /// Follows everything from the roots, which are the only nodes in the tree so far.
    pub(super) fn run(&mut self) {
        let mut next = 0;
        loop {
            while next < self.tree.nodes.len() && !self.is_over() {
                self.expand(next as u32);
                next += 1;
            }
            for (node, entry) in std::mem::take(&mut self.deferred) {
                self.descend(node, entry);
            }
            if self.is_over() || !self.meet_classes() {
                break;
            }
        }
        self.follow_late();
        self.follow_states();
        self.claim_opaque();
    }

    #[inline]
    pub(super) fn is_over(&mut self) -> bool {
        self.deadline.step(self.objects.memory.bytes_read)
    }

    /// Visits what a node refers to by name.
    fn expand(&mut self, number: u32) {
        let node = self.tree.nodes[number as usize];
        // The rest of a column's array comes with that, and an interpreter's state comes last.
        if node.label.is_column() || node.label == PathLabel::INTERPRETER {
            return;
        }
        let mut parts = std::mem::take(&mut self.parts);
        match node.label {
            label if label.is_frame() => {
                parts.clear();
                self.objects.frame(node.object, &mut parts);
            }
            label if label.is_module() => {
                self.parts = parts;
                return self.expand_module(node.object, number);
            }
            label if label.state().is_some() => {
                parts.clear();
                let bytes = self.objects.offsets.roots.thread_bytes;
                parts.span(node.object, bytes / 8, PartShape::Loose);
            }
            _ => {
                let Some(object) = self.objects.at(node.object) else {
                    self.parts = parts;
                    return;
                };
                if node.depth >= MAX_DEPTH {
                    self.parts = parts;
                    return self.put_off(number, StackEntry::object(node.object));
                }
                self.objects.parts(&object, true, &mut parts);
                self.note_size(&object, &parts);
                self.note_large(&object, &parts, number);
            }
        }
        for column in &parts.columns {
            self.meet_column(column, number);
        }
        for (label, address) in &parts.references {
            self.meet(*address, *label, number);
        }
        for table in &parts.tables {
            self.meet_table(table, number);
        }
        self.keep_for_later(&parts, number);
        self.parts = parts;
    }

    /// A module and its dict belong to no other node: they were marked before.
    fn expand_module(&mut self, address: u64, node: u32) {
        let Some(module) = self.objects.at(address) else {
            return;
        };
        self.claim(&module, node);
        let dict = self.objects.member(address, same::MODULE_DICT);
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        self.objects.attributes(dict, true, &mut parts);
        for (label, address) in &parts.references {
            self.meet(*address, *label, node);
        }
        self.states.extend(
            self.objects
                .module_state(address)
                .map(|state| (node, state)),
        );
        if let Some(object) = self.objects.at(dict) {
            self.claim(&object, node);
            self.objects.parts(&object, false, &mut parts);
            self.note_size(&object, &parts);
            self.note_large(&object, &parts, node);
            for table in &parts.tables {
                let is_followed = self.tally.is_some() || table.span.count > MAX_ATTRIBUTES;
                if self.own(table, node, object.number) && is_followed {
                    self.put_off(node, StackEntry::span(&table.span));
                }
            }
        }
        self.parts = parts;
    }

    /// Gives an unvisited object a node, unless it has no references and was not copied.
    pub(super) fn meet(&mut self, address: u64, label: PathLabel, parent: u32) {
        let Some(place) = self.objects.memory.place(address) else {
            return;
        };
        if self.marks.has(place) {
            self.note_alias(address, label, parent);
            let also = self.copied_again(address, place);
            if also > 0 {
                *self.also.entry(parent).or_default() += also;
            }
            return;
        }
        let Some(object) = self.objects.at(address) else {
            return;
        };
        self.marks.set(place);
        self.visited += 1;
        if self.objects.kind(&object).is_leaf() {
            let next = self.tree.next().filter(|_| !label.is_none());
            let (place, range) = self.objects.extent(&object);
            let node = next.unwrap_or(parent);
            let found = (node, object.number);
            let found = self.copied.claim(place, range.clone(), address, found);
            let bytes = range.end - range.start;
            let is_large = self.tally.is_some() && bytes >= LARGE_LEAF;
            let has_node = (found > 0 || is_large) && next.is_some();
            if has_node {
                self.tree.add(parent, label, address);
            }
            let node = if has_node { node } else { parent };
            let found = (node, object.number);
            self.landmarks.claim(place, range.clone(), address, found);
            self.note_object(&object, place, range, node);
            self.count_object(&object, node, bytes);
            return;
        }
        if let Some(node) = self.tree.add(parent, label, address) {
            self.claim(&object, node);
        } else {
            self.claim(&object, parent);
            self.put_off(parent, StackEntry::object(address));
        }
    }

    /// Remembers another name of an object that may be a large variable.
    fn note_alias(&mut self, object: u64, label: PathLabel, parent: u32) {
        if label.is_none() || self.aliases.len() >= MAX_ALIASES {
            return;
        }
        let found = self.objects.at(object);
        if found.is_some_and(|found| self.objects.kind(&found).is_data()) {
            self.aliases.push(Alias {
                object,
                parent,
                label,
            });
        }
    }

    fn meet_table(&mut self, table: &PartTable, node: u32) {
        let object = self.tree.nodes[node as usize].object;
        let number = self.objects.at(object).map_or(0, |object| object.number);
        if !self.own(table, node, number) {
            return;
        }
        let Span {
            at, count, shape, ..
        } = table.span;
        let is_named = matches!(
            shape,
            PartShape::Items | PartShape::Elements | PartShape::Pairs | PartShape::Triples
        );
        if count > MAX_NAMED || !is_named {
            self.put_off(node, StackEntry::span(&table.span));
            return;
        }
        let words = shape.words() as usize;
        let mut entry = [0; 3];
        for index in 0..count {
            let entry = &mut entry[..words];
            let at = at.saturating_add(index * words as u64 * 8);
            if self.objects.memory.words(at, entry) < words {
                return;
            }
            match (shape, &*entry) {
                (PartShape::Items, [item]) => self.meet(*item, PathLabel::index(index), node),
                (PartShape::Elements, [element, _]) => {
                    self.meet(*element, PathLabel::ELEMENT, node);
                }
                (_, [key, value] | [_, key, value]) => {
                    self.meet(*value, PathLabel::key(*key), node);
                    self.meet(*key, PathLabel::NONE, node);
                }
                _ => {}
            }
        }
    }

    /// Follows an entry depth first, after everything that can have a name has one.
    pub(super) fn put_off(&mut self, node: u32, entry: StackEntry) {
        if self.deferred.len() < self.max_deferred {
            self.deferred.push((node, entry));
        } else {
            self.descend(node, entry);
        }
    }

    /// Follows an entry depth first.
    pub(super) fn descend(&mut self, node: u32, entry: StackEntry) {
        self.stack.push(entry);
        self.drain(node);
    }

    pub(super) fn drain(&mut self, node: u32) {
        while let Some(entry) = self.stack.pop() {
            if self.is_over() {
                self.stack.clear();
                return;
            }
            let Some(span) = entry.as_span() else {
                self.scan(entry.address(), node);
                continue;
            };
            if span.shape == PartShape::Blocks {
                let place = self.objects.memory.place(span.at);
                let range = span.at..span.at + BLOCK_WORDS * 8;
                self.claim_range(place, range, node, NOWHERE);
            }
            let mut found = [0; BATCH];
            let length = self.stack.take(&span, &mut self.objects, &mut found);
            for address in &found[..length] {
                self.reach(*address, node);
            }
        }
        if self.also_now > 0 {
            *self.also.entry(node).or_default() += std::mem::take(&mut self.also_now);
        }
    }

    /// Follows an object without naming what it refers to.
    fn scan(&mut self, address: u64, node: u32) {
        let Some(object) = self.objects.at(address) else {
            return;
        };
        let mut parts = std::mem::take(&mut self.parts);
        self.objects.parts(&object, false, &mut parts);
        self.note_size(&object, &parts);
        self.note_large(&object, &parts, node);
        for table in &parts.tables {
            if self.own(table, node, object.number) {
                self.stack.push(StackEntry::span(&table.span));
            }
        }
        for (_, address) in &parts.references {
            self.reach(*address, node);
        }
        self.keep_for_later(&parts, node);
        self.parts = parts;
    }

    /// Visits an object under a node, unless it was visited before.
    #[inline]
    pub(super) fn reach(&mut self, address: u64, node: u32) {
        let Some(place) = self.objects.memory.place(address) else {
            return;
        };
        if self.marks.has(place) {
            self.also_now += self.copied_again(address, place);
            return;
        }
        let Some(object) = self.objects.at(address) else {
            return;
        };
        self.marks.set(place);
        self.visited += 1;
        self.claim(&object, node);
        if !self.objects.kind(&object).is_leaf() {
            self.stack.push(StackEntry::object(address));
        }
    }
}
