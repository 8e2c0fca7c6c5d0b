//! Mappings that have their name by their contents. A trace may end before anyone has looked at these, and earlier
//! versions never looked: then the same mapping has no name. So such a name distinguishes mappings only where the runs
//! agree on it.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
};

use super::regions::{Class, Part, Piece};
use crate::run::Mapping;

const BY_CONTENTS: [&str; 2] = [Mapping::JEMALLOC, Mapping::ZEND_HEAP];

/// What the contents show a mapping of this name to be.
fn contents_of(name: &str) -> Option<&'static str> {
    BY_CONTENTS.into_iter().find(|it| *it == name)
}

/// The class to which its mappings belong if nobody looks at them.
fn without_contents(class: &Class) -> Class {
    Class {
        name: Mapping::UNNAMED.into(),
        ..class.clone()
    }
}

/// Of each name by contents that not every run has for the same number of mappings, puts the mappings among those
/// without a name.
pub(super) fn unite_mappings(runs: &mut [BTreeMap<Class, Vec<Piece>>]) {
    let is_agreed = |class: &Class| {
        let mut numbers = runs.iter().map(|run| run.get(class).map_or(0, Vec::len));
        let first = numbers.next();
        numbers.all(|number| Some(number) == first)
    };
    let classes = runs.iter().flat_map(BTreeMap::keys);
    let named = classes.filter_map(|class| Some((class.clone(), contents_of(&class.name)?)));
    let named: BTreeSet<_> = named.filter(|(class, _)| !is_agreed(class)).collect();
    for run in runs {
        for (class, contents) in &named {
            let Some(mut pieces) = run.remove(class) else {
                continue;
            };
            for piece in &mut pieces {
                piece.contents = Some(contents);
            }
            let unnamed = run.entry(without_contents(class)).or_default();
            unnamed.append(&mut pieces);
            unnamed.sort_by_key(|piece| piece.start);
        }
    }
}

/// The same for memory of workers that forked, of which there are only sums: of a name by contents that not every run
/// has.
pub(super) fn unite_parts(runs: &[impl Borrow<BTreeMap<Part, f64>>]) -> Vec<BTreeMap<Part, f64>> {
    let everyone_has = |part: &Part| runs.iter().all(|run| run.borrow().contains_key(part));
    let settled = |part: &Part| match part {
        Part::OfWorkers(class) if contents_of(&class.name).is_some() && !everyone_has(part) => {
            Part::OfWorkers(without_contents(class))
        }
        _ => part.clone(),
    };
    let united = |run: &BTreeMap<Part, f64>| {
        let mut sums = BTreeMap::new();
        for (part, bytes) in run {
            *sums.entry(settled(part)).or_default() += bytes;
        }
        sums
    };
    runs.iter().map(|run| united(run.borrow())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Kind;

    fn class(name: &str, master: Option<usize>) -> Class {
        Class {
            master,
            name: name.into(),
            kind: Kind::Anon.name(),
            can_be_copied: true,
        }
    }

    /// A mapping of each of these names, at ascending addresses.
    fn run(names: &[&str]) -> BTreeMap<Class, Vec<Piece>> {
        let mut run: BTreeMap<Class, Vec<Piece>> = BTreeMap::new();
        for (start, name) in (0..).zip(names) {
            run.entry(class(name, Some(0))).or_default().push(Piece {
                start,
                size: 1,
                copied: 1.0,
                unshared: None,
                shape: None,
                contents: None,
            });
        }
        run
    }

    /// The names of a run's classes, with what its mappings are by their contents.
    fn told(run: &BTreeMap<Class, Vec<Piece>>) -> Vec<(&str, Vec<Option<&str>>)> {
        let pieces = |pieces: &Vec<Piece>| pieces.iter().map(|piece| piece.contents).collect();
        run.iter()
            .map(|(class, all)| (class.name.as_str(), pieces(all)))
            .collect()
    }

    #[test]
    fn names_on_which_runs_agree_distinguish_mappings_and_others_do_not() {
        let mut same = [run(&["[jemalloc]", "[anon]"]), run(&["[jemalloc]"])];
        unite_mappings(&mut same);
        assert_eq!(
            told(&same[0]),
            [("[anon]", vec![None]), ("[jemalloc]", vec![None])]
        );
        let mut runs = [
            run(&["[jemalloc]", "[anon]", "[zend heap]", "[thread stack]"]),
            run(&["[anon]", "[anon]", "[zend heap]"]),
        ];
        unite_mappings(&mut runs);
        let zend = || ("[zend heap]", vec![None]);
        assert_eq!(
            told(&runs[0]),
            [
                ("[anon]", vec![Some("[jemalloc]"), None]),
                ("[thread stack]", vec![None]),
                zend()
            ]
        );
        assert_eq!(told(&runs[1]), [("[anon]", vec![None, None]), zend()]);
    }

    #[test]
    fn sums_of_names_that_a_run_lacks_are_among_those_without() {
        let of_workers = |name: &str| Part::OfWorkers(class(name, None));
        let sums = |parts: &[(&str, f64)]| {
            let sums = parts.iter().map(|(name, bytes)| (of_workers(name), *bytes));
            sums.collect::<BTreeMap<_, _>>()
        };
        let base = sums(&[("[anon]", 1.0), ("[jemalloc]", 2.0), ("[zend heap]", 4.0)]);
        let new = sums(&[("[anon]", 3.0), ("[zend heap]", 4.0)]);
        assert_eq!(
            unite_parts(&[base, new.clone()]),
            [sums(&[("[anon]", 3.0), ("[zend heap]", 4.0)]), new]
        );
    }
}
