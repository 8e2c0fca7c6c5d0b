//! The results of all walks together: the variables of the run.

use std::cmp::Reverse;

use super::walk::WalkResult;
use crate::{
    collect::processes::records::Records,
    run::{AlsoHeld, CopiedType, Holder, PageNeighbour, Saving, WhoHolds},
    writer::Variable,
};

/// Puts the variables in order, most pages first, and gives processes the number that they have in the run: records
/// that were joined have another one.
pub(super) fn put_in_order(found: &mut WhoHolds, records: &Records) {
    let holders = &mut found.holders;
    holders.sort_by_key(|holder| Reverse(holder.copied_pages));
    for holder in &mut found.holders {
        holder.process_id = records.id_in_run(holder.process_id);
    }
    for walk in &mut found.heap_walks {
        walk.process_id = records.id_in_run(walk.process_id);
        walk.read_process_id = walk.read_process_id.map(|id| records.id_in_run(id));
    }
}

/// Adds the result of a walk to those of others.
pub(super) fn add_walk(all: &mut WhoHolds, (found, walk): WalkResult) {
    let variables = found.variables.into_iter();
    add_holders(
        &mut all.holders,
        variables.map(|variable| holder_of(walk.process_id, variable)),
    );
    all.heap_walks.push(walk);
}

fn holder_of(process_id: u32, variable: Variable) -> Holder {
    let typed = |(type_name, copied_pages)| CopiedType {
        type_name,
        copied_pages,
    };
    let held = |(path, copied_pages)| AlsoHeld { path, copied_pages };
    Holder {
        process_id,
        path: variable.path,
        type_name: variable.type_name,
        entries: variable.entries,
        copied_pages: variable.copied_pages,
        copied_types: variable.types.into_iter().map(typed).collect(),
        also_held_by: variable.also_held_by.into_iter().map(held).collect(),
        saving: variable.saving,
    }
}

/// Adds the variables of an inheritance. A variable of the same process with the same path, type and number
/// of entries is the same one.
fn add_holders(holders: &mut Vec<Holder>, more: impl Iterator<Item = Holder>) {
    for one in more {
        let same = holders.iter_mut().find(|known| {
            let what = |holder: &Holder| (holder.process_id, holder.entries);
            what(known) == what(&one) && known.path == one.path && known.type_name == one.type_name
        });
        let Some(same) = same else {
            holders.push(one);
            continue;
        };
        same.copied_pages += one.copied_pages;
        let savings = (same.saving.take(), one.saving);
        same.saving = savings
            .0
            .zip(savings.1)
            .and_then(|(known, more)| saving_of_both(known, more, &one.path));
        for of in one.copied_types {
            let known = &mut same.copied_types;
            match known.iter_mut().find(|it| it.type_name == of.type_name) {
                Some(known) => known.copied_pages += of.copied_pages,
                None => known.push(of),
            }
        }
        for other in one.also_held_by {
            let known = &mut same.also_held_by;
            match known.iter_mut().find(|it| it.path == other.path) {
                Some(known) => known.copied_pages += other.copied_pages,
                None => known.push(other),
            }
        }
        same.copied_types.sort_by_key(|it| Reverse(it.copied_pages));
        same.also_held_by.sort_by_key(|it| Reverse(it.copied_pages));
    }
}

/// What moving two variables of one name saves: at most the sum. That is not known if they lie on each other's pages.
fn saving_of_both(known: Saving, more: Saving, path: &str) -> Option<Saving> {
    let (mut both, more_neighbours) = (known, more.shares_with);
    let is_other = |it: &PageNeighbour| it.path != path;
    if !both
        .shares_with
        .iter()
        .chain(&more_neighbours)
        .all(is_other)
    {
        return None;
    }
    both.pages_with += more.pages_with;
    both.pages_alone += more.pages_alone;
    both.saved_pages += more.saved_pages;
    both.saved_together_pages += more.saved_together_pages;
    both.is_sampled |= more.is_sampled;
    for neighbour in more_neighbours {
        let known = both
            .shares_with
            .iter_mut()
            .find(|it| it.path == neighbour.path);
        match known {
            Some(known) => known.pages += neighbour.pages,
            None => both.shares_with.push(neighbour),
        }
    }
    Some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(path: &str, saving: Option<(u64, &str)>) -> Holder {
        Holder {
            process_id: 1,
            path: path.into(),
            type_name: None,
            entries: None,
            copied_pages: 100,
            copied_types: Vec::new(),
            also_held_by: Vec::new(),
            saving: saving.map(|(saved_pages, neighbour)| Saving {
                saved_pages,
                saved_together_pages: 2 * saved_pages,
                shares_with: vec![PageNeighbour {
                    path: neighbour.into(),
                    pages: 7,
                }],
                ..Saving::default()
            }),
        }
    }

    #[test]
    fn two_locals_of_one_name_save_what_both_do() {
        let added = |first, second| {
            let mut all = Vec::new();
            let both = [
                holder("work() local rows", first),
                holder("work() local rows", second),
            ];
            add_holders(&mut all, both.into_iter());
            assert_eq!((all.len(), all[0].copied_pages), (1, 200));
            all.remove(0).saving
        };
        let both = added(Some((10, "cache")), Some((20, "cache"))).unwrap();
        assert_eq!((both.saved_pages, both.saved_together_pages), (30, 60));
        assert_eq!(both.shares_with.len(), 1);
        assert_eq!(both.shares_with[0].pages, 14);
        assert_eq!(added(Some((10, "cache")), None), None);
        // They lie on each other's pages: those that have nothing else are not known.
        assert_eq!(
            added(Some((10, "work() local rows")), Some((20, "cache"))),
            None
        );
    }
}
