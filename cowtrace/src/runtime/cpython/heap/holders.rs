//! From the walk to the answer: the variables that hold most of the copied memory. Small variables
//! are added to those that contain them.

use std::collections::HashMap;

use super::{
    copied::NOWHERE,
    paths::{PathNode, ROOT},
    shared::MAX_LEADING,
    variable::Variable,
    walk::Walk,
};
use crate::run::Saving;

/// Variables with less than one part in this many of the copies are added to those that contain
/// them.
pub(super) const LEAST_PART: u64 = 200;
/// Most variables that are reported.
pub(super) const MAX_VARIABLES: usize = 32;
/// Most types of copied objects that are reported per variable.
const MAX_TYPES: usize = 8;
/// Variables that are compared because they refer to memory that others hold, in addition to those
/// that hold most.
const MAX_OTHERS: usize = 6;
/// Of these, a variable with less than one part in this many of the references is added to the one
/// that contains it.
const LEAST_OTHER: u64 = 20;
/// Most variables that are compared because they hold most.
const MAX_COMPARED: usize = MAX_LEADING - MAX_OTHERS;

/// Sums of copies over the tree.
pub(super) struct VariableSums {
    /// Reported nodes and their copied pages, most first.
    pub(super) leading: Vec<(u32, u64)>,
    /// The same for landmarks.
    pub(super) places: Vec<(u32, u64)>,
    /// Copied pages found under any node.
    pub(super) held: u64,
}

impl VariableSums {
    /// Adds up the pages of each address.
    pub(super) fn of(walk: &Walk<'_>, pages: &[u32]) -> Self {
        let nodes = &walk.tree.nodes;
        let copied = walk.copied.found().zip(pages.iter().copied());
        let (mut sums, held) = add_up_by_node(nodes, copied);
        let all: u64 = pages.iter().map(|pages| u64::from(*pages)).sum();
        let mut leading = heavy(nodes, &mut sums, (all / LEAST_PART).max(1));
        leading.truncate(MAX_VARIABLES);
        let (mut sums, all) =
            add_up_by_node(nodes, walk.landmarks.found().zip(std::iter::repeat(1)));
        let mut places = heavy(nodes, &mut sums, (all / LEAST_PART).max(1));
        places.truncate(MAX_VARIABLES);
        Self {
            leading,
            places,
            held,
        }
    }

    /// The nodes to compare: those that hold most, and those that refer to most of what others
    /// hold.
    pub(super) fn compared(&self, walk: &Walk<'_>) -> Vec<u32> {
        let nodes = &walk.tree.nodes;
        let has_object = |node: &u32| {
            let node = &nodes[*node as usize];
            node.object != 0 && !node.label.is_root() && !node.label.is_column()
        };
        let leading = self.leading.iter().map(|(node, _)| *node);
        let mut compared: Vec<u32> = leading.filter(has_object).take(MAX_COMPARED).collect();
        // Later copies may belong to these.
        for (node, _) in &self.places {
            if compared.len() < MAX_COMPARED && !compared.contains(node) && has_object(node) {
                compared.push(*node);
            }
        }
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
        mut savings: HashMap<u32, Saving>,
    ) -> (Vec<Variable>, u64) {
        let nodes = self.leading.iter().map(|(node, _)| *node);
        let told = told_under(&walk.tree.nodes, nodes);
        let mut by_node: HashMap<u32, Amounts> = HashMap::new();
        for (index, (node, number)) in walk.copied.found().enumerate() {
            let Some(&told) = told.get(node as usize) else {
                continue;
            };
            if told == ROOT {
                continue;
            }
            let mask = walk.copied.masks.get(index).copied().unwrap_or(0);
            let amounts = by_node.entry(told).or_default();
            amounts.add(u64::from(pages[index]), number, mask);
        }
        let (mut variables, mut gone) = (Vec::new(), 0);
        for (node, _) in &self.leading {
            let Some(amounts) = by_node.remove(node) else {
                continue;
            };
            match NamedVariable::of(walk, *node, compared) {
                Some(named) => variables.push(Variable {
                    saving: savings.remove(node),
                    ..amounts.of_variable(named, |number| {
                        let number = Some(number).filter(|number| *number != NOWHERE)?;
                        walk.objects.type_name(number)
                    })
                }),
                None => gone += amounts.pages,
            }
        }
        variables.sort_by_key(|variable: &Variable| std::cmp::Reverse(variable.copied_pages));
        (variables, gone)
    }
}

/// Adds up pages by node; also returns how many pages are under any node.
fn add_up_by_node(
    nodes: &[PathNode],
    found: impl Iterator<Item = ((u32, u32), u32)>,
) -> (Vec<u64>, u64) {
    let mut sums = vec![0u64; nodes.len()];
    let mut held = 0;
    for ((node, _), pages) in found {
        if let Some(sum) = sums.get_mut(node as usize) {
            *sum += u64::from(pages);
            held += u64::from(pages);
        }
    }
    (sums, held)
}

/// For each node, the reported node to which its copies are added; [`ROOT`] if there is none.
pub(super) fn told_under(nodes: &[PathNode], are_told: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut is_told = vec![false; nodes.len()];
    for node in are_told {
        is_told[node as usize] = true;
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
    told
}

/// The nodes with at least this sum, most first; smaller sums are added to the node above.
pub(super) fn heavy(nodes: &[PathNode], sums: &mut [u64], least: u64) -> Vec<(u32, u64)> {
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

/// What is known about a variable's copies.
#[derive(Clone, Default)]
pub(super) struct Amounts {
    pub(super) pages: u64,
    types: HashMap<u32, u64>,
    also: [u64; MAX_LEADING],
}

impl Amounts {
    /// Adds pages of an object of this type, which the variables in the mask hold.
    pub(super) fn add(&mut self, pages: u64, number: u32, mask: u16) {
        self.pages += pages;
        *self.types.entry(number).or_default() += pages;
        for (bit, sum) in self.also.iter_mut().enumerate() {
            *sum += pages * u64::from(mask >> bit & 1);
        }
    }

    /// Adds amounts that were counted under another variable.
    pub(super) fn join(&mut self, other: Self) {
        self.pages += other.pages;
        for (number, pages) in other.types {
            *self.types.entry(number).or_default() += pages;
        }
        for (sum, more) in self.also.iter_mut().zip(other.also) {
            *sum += more;
        }
    }

    /// A variable with these copies. `type_name` gives the names of types.
    pub(super) fn of_variable(
        self,
        named: NamedVariable,
        mut type_name: impl FnMut(u32) -> Option<String>,
    ) -> Variable {
        let mut types: Vec<(u32, u64)> = self.types.into_iter().collect();
        types.sort_by_key(|(number, pages)| (std::cmp::Reverse(*pages), *number));
        let types = types
            .into_iter()
            .take(MAX_TYPES)
            .filter_map(|(number, pages)| Some((type_name(number)?, pages)))
            .collect();
        let aliases = named.aliases.into_iter().map(|path| (path, self.pages));
        let others = named.others.into_iter();
        let others = others.map(|(bit, path)| (path, self.also[bit]));
        let mut also: Vec<(String, u64)> = aliases.chain(others).collect();
        also.retain(|(_, pages)| *pages > 0);
        also.sort_by_key(|(_, pages)| std::cmp::Reverse(*pages));
        also.dedup_by(|a, b| a.0 == b.0);
        Variable {
            path: named.path,
            type_name: named.type_name,
            entries: named.entries,
            copied_pages: self.pages,
            types,
            also_held_by: also,
            saving: None,
        }
    }
}

/// A variable, and others that may hold the same memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedVariable {
    pub(super) path: String,
    pub(super) type_name: Option<String>,
    pub(super) entries: Option<u64>,
    /// Its other names.
    pub(super) aliases: Vec<String>,
    /// Those that it was compared with, by their bits.
    others: Vec<(usize, String)>,
}

impl NamedVariable {
    /// A node's variable; none if it is gone.
    pub(super) fn of(walk: &mut Walk<'_>, node: u32, compared: &[u32]) -> Option<Self> {
        let path = walk.tree.path(node, &mut walk.objects)?;
        let PathNode {
            object: address,
            label,
            ..
        } = walk.tree.nodes[node as usize];
        let object = walk.objects.at(address);
        if object.is_none() && !label.is_frame() && label.state().is_none() {
            return None;
        }
        let object = object.as_ref();
        let (type_name, entries) = match object {
            Some(object) if label.is_column() => {
                walk.objects.column_in_words(object, label.is_of_columns())
            }
            Some(object) => (
                walk.objects.described_type(object),
                walk.objects.entries(object),
            ),
            None => (label.state().map(str::to_owned), None),
        };
        let mut others = Vec::new();
        for (bit, other) in compared.iter().enumerate().take(MAX_LEADING) {
            let is_kin = walk.tree.is_below(node, *other) || walk.tree.is_below(*other, node);
            if !is_kin {
                let path = walk.tree.path(*other, &mut walk.objects);
                others.extend(path.map(|path| (bit, path)));
            }
        }
        Some(Self {
            path,
            type_name,
            entries,
            // Other names of a column's array are not its own.
            aliases: if label.is_column() {
                Vec::new()
            } else {
                aliases(walk, address)
            },
            others,
        })
    }
}

#[cfg(test)]
impl NamedVariable {
    /// A variable of which only the path is known.
    pub(super) fn called(path: &str) -> Self {
        Self {
            path: path.into(),
            type_name: None,
            entries: None,
            aliases: Vec::new(),
            others: Vec::new(),
        }
    }
}

/// Most other names of a variable that are reported.
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
