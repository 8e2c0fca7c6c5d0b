//! The flame graph: stacks merged into a tree of calls.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{
    run::Run,
    words::{Call, Lines, NamedStack, plural, stacks},
};

/// Most calls in the tree; smaller ones are merged with their siblings.
const MOST_NODES: usize = 4_000;

#[derive(Serialize)]
pub(super) struct Flame {
    names: Vec<String>,
    /// The calls, callers before callees: depth, index of the name, pages, kind (0 all, 1 Python, 2
    /// native, 3 what was written, 4 several small ones).
    nodes: Vec<(u32, usize, u64, u8)>,
    /// What was left out; empty if nothing.
    note: String,
}

const ALL: u8 = 0;
const PYTHON: u8 = 1;
const NATIVE: u8 = 2;
const WRITTEN: u8 = 3;
const SMALL: u8 = 4;

#[derive(Default)]
struct Node {
    pages: u64,
    calls: BTreeMap<(u8, String), Node>,
}

pub(super) fn flame_of_run(run: &Run) -> Flame {
    let lines = Lines::of(run);
    let mut root = Node::default();
    for stack in stacks(run) {
        root.add(&stack, &lines);
    }
    let mut least = 1;
    while root.count(least) > MOST_NODES {
        least *= 2;
    }
    let mut tree = FlameTree {
        least,
        ..FlameTree::default()
    };
    tree.push(0, ALL, "all copies", &root);
    Flame {
        names: tree.names,
        nodes: tree.nodes,
        note: if least > 1 {
            format!(
                "Calls with fewer than {} are drawn together.",
                plural(least, "page")
            )
        } else {
            String::new()
        },
    }
}

impl Node {
    fn add(&mut self, stack: &NamedStack<'_>, lines: &Lines<'_>) {
        let calls = stack.calls.iter().map(|call| match call {
            Call::Python(_) => PYTHON,
            Call::Native { .. } => NATIVE,
        });
        let sorts = calls.chain(std::iter::repeat(WRITTEN));
        self.pages += stack.pages;
        let mut node = self;
        for key in sorts.zip(stack.names(lines)) {
            node = node.calls.entry(key).or_default();
            node.pages += stack.pages;
        }
    }

    /// How many nodes remain if smaller ones are merged.
    fn count(&self, least: u64) -> usize {
        let large = self.calls.values().filter(|node| node.pages >= least);
        1 + large.map(|node| node.count(least)).sum::<usize>()
    }
}

#[derive(Default)]
struct FlameTree {
    least: u64,
    names: Vec<String>,
    known: HashMap<String, usize>,
    nodes: Vec<(u32, usize, u64, u8)>,
}

impl FlameTree {
    /// Adds a call and its callees, the largest first. Recursion is safe because stacks are short:
    /// 32 Python calls and few others.
    fn push(&mut self, depth: u32, sort: u8, name: &str, node: &Node) {
        let name = self.name(name);
        self.nodes.push((depth, name, node.pages, sort));
        let mut calls: Vec<_> = node.calls.iter().collect();
        calls.sort_by_key(|(_, node)| std::cmp::Reverse(node.pages));
        let (mut number, mut pages) = (0_u64, 0);
        for ((sort, name), node) in calls {
            if node.pages >= self.least {
                self.push(depth + 1, *sort, name, node);
            } else {
                number += 1;
                pages += node.pages;
            }
        }
        if pages > 0 {
            let name = self.name(&format!("({number} small)"));
            self.nodes.push((depth + 1, name, pages, SMALL));
        }
    }

    fn name(&mut self, name: &str) -> usize {
        if let Some(&known) = self.known.get(name) {
            return known;
        }
        let index = self.names.len();
        self.names.push(name.to_owned());
        self.known.insert(name.to_owned(), index);
        index
    }
}
