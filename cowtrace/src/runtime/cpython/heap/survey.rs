//! What a walk saw all over a memory: which variable holds what lies at the copied addresses and at
//! landmarks in each page. It answers for later copies when no process has that memory any more.

use std::collections::HashMap;

use super::{
    copied::{Copied, NOWHERE},
    free::{FreeRanges, FreeSums},
    holders::{Amounts, LEAST_PART, MAX_VARIABLES, NamedVariable, VariableSums, told_under},
    paths::ROOT,
    regions::PAGE,
    variable::Variable,
    walk::Walk,
};
use crate::run::FreeMemory;

/// Most kinds of places that are distinguished; beyond it, details are dropped.
const MAX_KINDS: usize = u16::MAX as usize - MAX_VARIABLES * 2 - 2;

/// What lies where in a process's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In order.
    addresses: Vec<u64>,
    /// Index of the kind of place at each address.
    kinds: Vec<u16>,
    places: Vec<KnownPlace>,
    /// Containers before their contents.
    variables: Vec<KnownVariable>,
    types: Vec<String>,
    /// Free memory.
    free: FreeRanges,
}

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct KnownPlace {
    /// Whether any variable holds it.
    is_held: bool,
    /// Index of the variable under which it is reported.
    variable: Option<u16>,
    /// Index of its type's name.
    type_name: Option<u16>,
    /// Leading variables that hold it, one bit each.
    mask: u16,
}

/// A variable that may be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownVariable {
    named: NamedVariable,
    /// Index of the variable to which it is added if it is small.
    parent: Option<usize>,
}

/// A survey's answer about copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Most pages first.
    pub variables: Vec<Variable>,
    /// Copied pages in memory that was surveyed.
    pub asked_pages: u64,
    /// Of these, pages under any variable.
    pub held_pages: u64,
    /// Of those looked up, pages that were free memory.
    pub free: Vec<FreeMemory>,
    /// Of those looked up, pages attributed by another address in the same page.
    pub by_page: u64,
}

impl Survey {
    /// From a walk that has compared its leading variables; empty without landmarks.
    pub(super) fn of(
        walk: &mut Walk<'_>,
        sums: &VariableSums,
        compared: &[u32],
        free: FreeRanges,
    ) -> Self {
        if walk.landmarks.addresses().is_empty() {
            return Self::default();
        }
        let leading = sums.leading.iter().chain(&sums.places);
        let mut nodes: Vec<u32> = leading.map(|(node, _)| *node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let found = nodes.into_iter();
        let (nodes, named): (Vec<u32>, Vec<NamedVariable>) = found
            .filter_map(|node| Some((node, NamedVariable::of(walk, node, compared)?)))
            .unzip();
        let told = told_under(&walk.tree.nodes, nodes.iter().copied());
        let index = |node: u32| nodes.binary_search(&node).ok();
        let parent = |node: u32| {
            let parent = walk.tree.nodes[node as usize].parent;
            index(*told.get(parent as usize)?)
        };
        let variables = nodes.iter().zip(named).map(|(node, named)| KnownVariable {
            named,
            parent: parent(*node),
        });
        let mut making = Making::default();
        making.survey.variables = variables.collect();
        let mut found = making.take(&walk.copied, &told, index);
        found.extend(making.take(&walk.landmarks, &told, index));
        found.sort_by_key(|(address, _)| *address);
        found.dedup_by_key(|(address, _)| *address);
        let mut survey = making.survey;
        survey.free = free;
        (survey.addresses, survey.kinds) = found.into_iter().unzip();
        let numbers = making.numbers.into_iter();
        survey.types = numbers
            .map(|number| walk.objects.type_name(number).unwrap_or_default())
            .collect();
        survey
    }

    /// Whether nothing was surveyed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// What holds these addresses, each given with the pages copied for it.
    #[must_use]
    pub fn credit(&self, addresses: &[u64], pages: &[u32]) -> Credit {
        let mut credit = Credit::default();
        let mut free = FreeSums::new(&self.free);
        let mut amounts = vec![Amounts::default(); self.variables.len()];
        for (address, pages) in addresses.iter().zip(pages) {
            let pages = u64::from(*pages);
            let at = self.at(*address);
            if at.is_none_or(|(place, is_exact)| !is_exact || !place.is_held)
                && self.free.at(*address).is_some()
            {
                free.add(*address, pages);
                credit.asked_pages += pages;
                continue;
            }
            let Some((place, is_exact)) = at else {
                continue;
            };
            credit.asked_pages += pages;
            credit.by_page += if is_exact { 0 } else { pages };
            credit.held_pages += if place.is_held { pages } else { 0 };
            let variable = place.variable.map(usize::from);
            if let Some(amounts) = variable.and_then(|index| amounts.get_mut(index)) {
                // Neighbours belong to the same variable more often than they have the same type.
                let number = place.type_name.filter(|_| is_exact);
                let number = number.map_or(NOWHERE, u32::from);
                amounts.add(pages, number, place.mask);
            }
        }
        credit.free = free.into_free_memory();
        credit.variables = self.told(amounts, (credit.asked_pages / LEAST_PART).max(1));
        credit
    }

    /// The variables with at least this many pages; smaller ones are added to those that contain
    /// them.
    fn told(&self, mut amounts: Vec<Amounts>, least: u64) -> Vec<Variable> {
        let mut found = Vec::new();
        for (index, known) in self.variables.iter().enumerate().rev() {
            let own = std::mem::take(&mut amounts[index]);
            if own.pages >= least {
                let type_name = |number| self.types.get(number as usize).cloned();
                found.push(own.of_variable(known.named.clone(), type_name));
            } else if let Some(parent) = known.parent {
                amounts[parent].join(own);
            }
        }
        found.sort_by(|one, other| {
            let by_pages = other.copied_pages.cmp(&one.copied_pages);
            by_pages.then_with(|| one.path.cmp(&other.path))
        });
        found.truncate(MAX_VARIABLES);
        found
    }

    /// The place at an address or nearest to it in its page, and whether it is at the address; none
    /// if nothing is known about the page. Places in free memory count only if there are no others. If
    /// at least half of a page is held, only held places count: a gap between two objects is what the
    /// allocator left free after the first one.
    fn at(&self, address: u64) -> Option<(KnownPlace, bool)> {
        let after = self.addresses.partition_point(|at| *at < address);
        if self.addresses.get(after) == Some(&address) {
            return Some((self.place(after)?, true));
        }
        let page = address / PAGE;
        let first = self.addresses[..after].partition_point(|at| at / PAGE < page);
        let behind = &self.addresses[after..];
        let end = after + behind.partition_point(|at| at / PAGE == page);
        let all = first..end;
        let is_held = |index: &usize| self.place(*index).is_some_and(|place| place.is_held);
        let is_free = |index: &usize| self.free.at(self.addresses[*index]).is_some();
        let in_use = all.clone().filter(|it| is_held(it) || !is_free(it));
        let mut places: Vec<usize> = in_use.collect();
        if places.is_empty() {
            places = all.collect();
        }
        let held = places.iter().filter(|index| is_held(index)).count();
        let are_held = held * 2 >= places.len();
        let candidates = places
            .into_iter()
            .filter(|index| !are_held || is_held(index));
        let nearest = candidates.min_by_key(|index| self.addresses[*index].abs_diff(address))?;
        Some((self.place(nearest)?, false))
    }

    fn place(&self, index: usize) -> Option<KnownPlace> {
        let kind = *self.kinds.get(index)?;
        self.places.get(usize::from(kind)).copied()
    }
}

/// A survey under construction.
#[derive(Default)]
struct Making {
    survey: Survey,
    kinds: HashMap<KnownPlace, u16>,
    /// The numbers of types, in the order of their names.
    numbers: Vec<u32>,
    types: HashMap<u32, u16>,
}

impl Making {
    /// Addresses, with the kind of place of each.
    fn take(
        &mut self,
        found: &Copied,
        told: &[u32],
        index: impl Fn(u32) -> Option<usize>,
    ) -> Vec<(u64, u16)> {
        let all = found.addresses().iter().zip(found.found()).enumerate();
        let all = all.map(|(number, (address, (node, kind)))| {
            let told = told.get(node as usize).copied().unwrap_or(ROOT);
            let place = KnownPlace {
                is_held: node != NOWHERE,
                variable: index(told).and_then(|index| u16::try_from(index).ok()),
                type_name: self.type_of(kind),
                mask: found.masks.get(number).copied().unwrap_or(0),
            };
            (*address, self.kind_of(place))
        });
        all.collect()
    }

    fn type_of(&mut self, number: u32) -> Option<u16> {
        if number == NOWHERE {
            return None;
        }
        if let Some(&known) = self.types.get(&number) {
            return Some(known);
        }
        let next = u16::try_from(self.numbers.len()).ok()?;
        self.numbers.push(number);
        self.types.insert(number, next);
        Some(next)
    }

    /// The number of a kind; if there are too many kinds, that of the same variable without
    /// details.
    fn kind_of(&mut self, mut place: KnownPlace) -> u16 {
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&place) {
            place = KnownPlace {
                type_name: None,
                mask: 0,
                ..place
            };
        }
        let places = &mut self.survey.places;
        *self.kinds.entry(place).or_insert_with(|| {
            places.push(place);
            u16::try_from(places.len() - 1).unwrap_or(u16::MAX)
        })
    }
}

#[cfg(test)]
mod tests;
