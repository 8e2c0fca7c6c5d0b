//! What moving a variable out of the heap would save: from what lies on the copied pages, and the tree of variables.

use std::collections::HashMap;

use super::{
    copied::NOWHERE,
    holders::{VariableSums, heavy, told_under},
    occupancy::SampledPage,
    page_uses::{PageUse, PageUses, VariablePart},
    paths::{PathNode, ROOT},
    regions::PAGE,
    walk::Walk,
};
use crate::run::{FreezeSaving, PageNeighbour, Saving};

/// A variable counts by itself, even if it was not written first, from this part of what lies on copied pages on: a
/// twentieth.
const LEAST_NEIGHBOUR: u64 = 20;
/// If nodes had to be joined on more than this part of the copied pages, nothing is promised.
const MOST_BLURRED: f64 = 0.1;

/// What would save copies.
#[derive(Default)]
pub(super) struct Savings {
    /// By moving each of the leading variables, by node.
    pub(super) by_node: HashMap<u32, Saving>,
    /// By keeping the collector from writing.
    pub(super) freeze: Option<FreezeSaving>,
}

/// What would save copies; nothing if that is not known.
pub(super) fn savings_of(walk: &mut Walk<'_>, sums: &VariableSums, pages: &[u32]) -> Savings {
    let Some((uses, nodes)) = uses_of(walk, sums, pages) else {
        return Savings::default();
    };
    let mut asked = 0;
    for (address, pages) in walk.copied.addresses().iter().zip(pages) {
        let is_there = walk.objects.memory.place(*address).is_some();
        asked += if is_there { u64::from(*pages) } else { 0 };
    }
    let sampled: u64 = uses.pages.iter().map(|page| page.copies).sum();
    let scale = asked as f64 / sampled.max(1) as f64;
    let is_sampled = walk.occupancy.is_sample();
    let own = uses.own_copies();
    let mut by_node = HashMap::new();
    for variable in 0..uses.written {
        let (mut saving, neighbours) = uses.saving_of(variable, &own, scale);
        for (neighbour, pages) in neighbours {
            let path = walk.tree.path(nodes[neighbour], &mut walk.objects);
            saving
                .shares_with
                .extend(path.map(|path| PageNeighbour { path, pages }));
        }
        saving.is_sampled = is_sampled;
        by_node.insert(nodes[variable], saving);
    }
    Savings {
        by_node,
        freeze: Some(uses.freeze_saving(scale)),
    }
}

/// The uses of the sampled pages, and the node of each variable; none if too many nodes were joined.
fn uses_of(walk: &Walk<'_>, sums: &VariableSums, pages: &[u32]) -> Option<(PageUses, Vec<u32>)> {
    let tree = &walk.tree.nodes;
    let sampled = &walk.occupancy.pages;
    let copies = copies_of_pages(walk, pages);
    let mut nodes: Vec<u32> = sums.leading.iter().map(|(node, _)| *node).collect();
    let written = nodes.len();
    for node in neighbours_in(tree, sampled, &copies) {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    if written == 0 || is_blurred(tree, sampled, &copies, &nodes) {
        return None;
    }
    let told = told_under(tree, nodes.iter().copied());
    let rest = nodes.len();
    let index: HashMap<u32, usize> = nodes.iter().copied().zip(0..).collect();
    let variable = |node: u32| {
        let told = told.get(node as usize);
        told.and_then(|told| index.get(told))
            .copied()
            .unwrap_or(rest)
    };
    let uses = sampled.iter().zip(copies);
    let uses = uses.map(|(page, copies)| use_of(page, &copies, variable));
    let uses = PageUses {
        pages: uses.collect(),
        variables: rest + 1,
        written,
        copied: walk.occupancy.copied,
        others: walk.occupancy.others,
    };
    Some((uses, nodes))
}

/// Copies of a page that began with writes at one address.
#[derive(Clone, Copy, Debug)]
struct CopiesAt {
    node: u32,
    copies: u64,
    is_in_header: bool,
}

/// For each sampled page, its copies.
fn copies_of_pages(walk: &Walk<'_>, pages: &[u32]) -> Vec<Vec<CopiesAt>> {
    let sampled = &walk.occupancy.pages;
    let mut copies = vec![Vec::new(); sampled.len()];
    let found = walk.copied.addresses().iter().zip(walk.copied.found());
    let found = found.zip(walk.copied.in_headers()).zip(pages);
    let mut index = 0;
    for (((address, (node, _)), is_in_header), pages) in found {
        while sampled
            .get(index)
            .is_some_and(|page| page.address + PAGE <= *address)
        {
            index += 1;
        }
        let page = sampled.get(index);
        if page.is_some_and(|page| page.address <= *address) {
            copies[index].push(CopiesAt {
                node,
                copies: u64::from(*pages),
                is_in_header: *is_in_header,
            });
        }
    }
    copies
}

fn sum_of(copies: &[CopiesAt]) -> u64 {
    copies.iter().map(|it| it.copies).sum()
}

/// The nodes with much of what lies on the copied pages.
fn neighbours_in(tree: &[PathNode], sampled: &[SampledPage], copies: &[Vec<CopiesAt>]) -> Vec<u32> {
    let mut sums = vec![0u64; tree.len()];
    for (page, copies) in sampled.iter().zip(copies) {
        let copies = sum_of(copies);
        for part in page.parts().iter().filter(|part| part.has_counts) {
            if let Some(sum) = sums.get_mut(part.node as usize) {
                *sum += u64::from(part.bytes) * copies;
            }
        }
    }
    let all: u64 = sums.iter().sum();
    let found = heavy(tree, &mut sums, (all / LEAST_NEIGHBOUR).max(1));
    found.into_iter().map(|(node, _)| node).collect()
}

/// Whether on many of the copied pages something was joined with a node above that of a variable.
fn is_blurred(
    tree: &[PathNode],
    sampled: &[SampledPage],
    copies: &[Vec<CopiesAt>],
    nodes: &[u32],
) -> bool {
    let mut is_above = vec![false; tree.len()];
    for node in nodes {
        let mut above = tree.get(*node as usize).map_or(ROOT, |node| node.parent);
        while let Some(node) = tree
            .get(above as usize)
            .filter(|_| !is_above[above as usize])
        {
            is_above[above as usize] = true;
            above = node.parent;
        }
    }
    let (mut blurred, mut all) = (0, 0);
    for (page, copies) in sampled.iter().zip(copies) {
        let copies = sum_of(copies);
        all += copies;
        let mut parts = page.parts().iter();
        if page.is_joined && parts.any(|it| is_above.get(it.node as usize) == Some(&true)) {
            blurred += copies;
        }
    }
    blurred as f64 > all as f64 * MOST_BLURRED
}

/// What lies on a page by variable.
fn use_of(page: &SampledPage, copies: &[CopiesAt], variable: impl Fn(u32) -> usize) -> PageUse {
    let mut found = PageUse {
        is_copied: page.is_copied,
        copies: sum_of(copies),
        ..PageUse::default()
    };
    for part in page.parts() {
        let part = VariablePart {
            variable: variable(part.node),
            bytes: part.bytes.into(),
            has_counts: part.has_counts,
            has_headers: part.has_headers,
            copies: 0,
        };
        let known = found.parts.iter_mut();
        match known.into_iter().find(|it| it.variable == part.variable) {
            Some(known) => {
                known.bytes += part.bytes;
                known.has_counts |= part.has_counts;
                known.has_headers |= part.has_headers;
            }
            None => found.parts.push(part),
        }
    }
    for it in copies {
        let variable = (it.node != NOWHERE).then(|| variable(it.node));
        let mut parts = found.parts.iter_mut();
        match parts.find(|part| Some(part.variable) == variable) {
            Some(part) => part.copies += it.copies,
            None => found.unheld += it.copies,
        }
        found.in_headers += if it.is_in_header { it.copies } else { 0 };
    }
    found
}
