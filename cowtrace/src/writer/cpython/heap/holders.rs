//! From the walk to an answer: the variables that hold most of what was copied, small ones added
//! to what they are part of.

use std::collections::HashMap;

use super::{
    Variable,
    copied::NOWHERE,
    paths::{Node, ROOT},
    shared::MAX_LEADING,
    walk::Walk,
};

/// Variables with less than this part of the copies go with what they are part of.
const LEAST_PART: u64 = 200;
/// Variables that are told.
const MAX_VARIABLES: usize = 32;
/// Types of copied objects that are told of a variable.
const MAX_TYPES: usize = 8;
/// Variables that are compared because they refer to what others hold, next to those that hold
/// most.
const MAX_OTHERS: usize = 6;
/// Of these, one with less than this part of the references goes with what it is part of.
const LEAST_OTHER: u64 = 20;
/// Variables that hold most and are compared.
const MAX_COMPARED: usize = MAX_LEADING - MAX_OTHERS;

/// How copies are added up over the tree.
pub(super) struct Sums {
    /// The node that each node's copies are told under; [`ROOT`] for none.
    told: Vec<u32>,
    /// Told nodes and their copied pages, most first.
    pub(super) leading: Vec<(u32, u64)>,
    /// Copied pages found under any node.
    pub(super) held: u64,
}

impl Sums {
    /// Adds up the pages of each address.
    pub(super) fn of(walk: &Walk<'_>, pages: &[u32]) -> Self {
        let nodes = &walk.tree.nodes;
        let mut sums = vec![0u64; nodes.len()];
        let mut held = 0;
        for ((node, _), pages) in walk.copied.found().zip(pages) {
            if let Some(sum) = sums.get_mut(node as usize) {
                *sum += u64::from(*pages);
                held += u64::from(*pages);
            }
        }
        let all: u64 = pages.iter().map(|pages| u64::from(*pages)).sum();
        let least = (all / LEAST_PART).max(1);
        let mut leading = heavy(nodes, &mut sums, least);
        leading.truncate(MAX_VARIABLES);
        let mut is_told = vec![false; nodes.len()];
        for (node, _) in &leading {
            is_told[*node as usize] = true;
        }
        let mut told = vec![ROOT; nodes.len()];
        for index in 0..nodes.len() {
            let parent = nodes[index].parent;
            told[index] = if is_told[index] {
                index as u32
            } else {
                told.get(parent as usize).copied().unwrap_or(ROOT)
            };
        }
        Self {
            told,
            leading,
            held,
        }
    }

    /// The nodes to compare: those that hold most, and those that refer to most of what others
    /// hold.
    pub(super) fn compared(&self, walk: &Walk<'_>) -> Vec<u32> {
        let nodes = &walk.tree.nodes;
        let has_object = |node: &u32| {
            let node = &nodes[*node as usize];
            node.object != 0 && !node.label.is_root()
        };
        let mut compared: Vec<u32> = self
            .leading
            .iter()
            .map(|(node, _)| *node)
            .filter(has_object)
            .take(MAX_COMPARED)
            .collect();
        let mut hits = vec![0; nodes.len()];
        for (&node, &also) in &walk.also {
            hits[node as usize] += also;
        }
        let least = hits.iter().sum::<u64>() / LEAST_OTHER;
        let others = heavy(nodes, &mut hits, least.max(1));
        for (node, _) in others.into_iter().take(MAX_OTHERS) {
            if !compared.contains(&node) && has_object(&node) {
                compared.push(node);
            }
        }
        compared
    }

    /// The variables by name, and the copied pages of those that have gone since they were found.
    pub(super) fn name(
        self,
        walk: &mut Walk<'_>,
        pages: &[u32],
        compared: &[u32],
    ) -> (Vec<Variable>, u64) {
        let mut by_node: HashMap<u32, Details> = HashMap::new();
        for (index, (node, number)) in walk.copied.found().enumerate() {
            let Some(&told) = self.told.get(node as usize) else {
                continue;
            };
            if told == ROOT {
                continue;
            }
            let details = by_node.entry(told).or_default();
            let pages = u64::from(pages[index]);
            details.pages += pages;
            *details.types.entry(number).or_default() += pages;
            let mask = walk.copied.masks.get(index).copied().unwrap_or(0);
            for (bit, sum) in details.also.iter_mut().enumerate() {
                *sum += pages * u64::from(mask >> bit & 1);
            }
        }
        let (mut variables, mut gone) = (Vec::new(), 0);
        for (node, _) in &self.leading {
            let Some(details) = by_node.remove(node) else {
                continue;
            };
            let pages = details.pages;
            match details.name(walk, *node, compared) {
                Some(variable) => variables.push(variable),
                None => gone += pages,
            }
        }
        variables.sort_by_key(|variable: &Variable| std::cmp::Reverse(variable.copied_pages));
        (variables, gone)
    }
}

/// The nodes with at least so much, most first: what has less goes to what it is part of.
fn heavy(nodes: &[Node], sums: &mut [u64], least: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    // Children come after their parents.
    for index in (0..nodes.len()).rev() {
        let node = &nodes[index];
        if sums[index] >= least && !node.label.is_none() {
            found.push((index as u32, sums[index]));
        } else if node.parent != ROOT {
            sums[node.parent as usize] += sums[index];
        }
    }
    found.sort_by_key(|(node, sum)| (std::cmp::Reverse(*sum), *node));
    found
}

/// What is known of a variable's copies.
#[derive(Default)]
struct Details {
    pages: u64,
    types: HashMap<u32, u64>,
    also: [u64; MAX_LEADING],
}

impl Details {
    fn name(self, walk: &mut Walk<'_>, node: u32, compared: &[u32]) -> Option<Variable> {
        let path = walk.tree.path(node, &mut walk.objects)?;
        let Node {
            object: address,
            label,
            ..
        } = walk.tree.nodes[node as usize];
        let object = walk.objects.at(address);
        if object.is_none() && !label.is_frame() && !label.is_thread() {
            return None;
        }
        let type_name = object
            .as_ref()
            .and_then(|object| walk.objects.type_name(object.number));
        let entries = object
            .as_ref()
            .and_then(|object| walk.objects.entries(object));
        let mut types: Vec<(u32, u64)> = self.types.into_iter().collect();
        types.sort_by_key(|(number, pages)| (std::cmp::Reverse(*pages), *number));
        let types = types
            .into_iter()
            .take(MAX_TYPES)
            .filter(|(number, _)| *number != NOWHERE)
            .filter_map(|(number, pages)| Some((walk.objects.type_name(number)?, pages)))
            .collect();
        let mut also = Vec::new();
        for alias in aliases(walk, address) {
            also.push((alias, self.pages));
        }
        for (bit, other) in compared.iter().enumerate() {
            let is_kin = walk.tree.is_below(node, *other) || walk.tree.is_below(*other, node);
            if !is_kin && self.also[bit] > 0 {
                let path = walk.tree.path(*other, &mut walk.objects);
                also.extend(path.map(|path| (path, self.also[bit])));
            }
        }
        also.sort_by_key(|(_, pages)| std::cmp::Reverse(*pages));
        also.dedup_by(|a, b| a.0 == b.0);
        Some(Variable {
            path,
            type_name,
            entries,
            copied_pages: self.pages,
            types,
            also_held_by: also,
        })
    }
}

/// Aliases of a variable that are told.
const MAX_ALIASES: usize = 3;

/// The other names of an object.
fn aliases(walk: &mut Walk<'_>, address: u64) -> Vec<String> {
    let found: Vec<_> = walk
        .aliases
        .iter()
        .filter(|alias| alias.object == address)
        .take(MAX_ALIASES)
        .copied()
        .collect();
    let mut names = Vec::new();
    for alias in found {
        if let Some(node) = walk.tree.add(alias.parent, alias.label, 0) {
            names.extend(walk.tree.path(node, &mut walk.objects));
        }
    }
    names
}
