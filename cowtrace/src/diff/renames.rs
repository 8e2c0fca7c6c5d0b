//! Matches files of the two sides that were deployed into different folders, such as
//! `releases/20240101/app.py` and `releases/20240201/app.py`.
//!
//! Two paths are the same file if they differ in the name of one folder only and the match is
//! unambiguous: of all paths that are equal but for that folder, each side has exactly one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::regions::{Class, Piece};
use crate::run::Kind;

/// Paths of BASE and of NEW that are the same file.
pub(super) type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// Finds the pairs.
pub(super) fn pair_files<'a>(base: &BTreeSet<&'a str>, new: &BTreeSet<&'a str>) -> Pairs<'a> {
    // Paths by what remains without one of their folders, and which folder that is.
    let mut alike: BTreeMap<(usize, &str, &str), [Vec<&'a str>; 2]> = BTreeMap::new();
    for (side, paths) in [base, new].into_iter().enumerate() {
        for path in paths {
            for (number, before, after) in without_folders(path) {
                alike.entry((number, before, after)).or_default()[side].push(path);
            }
        }
    }
    let mut found = Vec::new();
    for sides in alike.values() {
        if let [[one], [other]] = [sides[0].as_slice(), sides[1].as_slice()]
            && one != other
        {
            found.push((*one, *other));
        }
    }
    let is_only = |pair: &(&str, &str)| {
        let others = found.iter().filter(|it| it.0 == pair.0 || it.1 == pair.1);
        others.count() == 1
    };
    found.iter().copied().filter(is_only).collect()
}

/// A path without one of its folders: its place, and the parts before and after it.
fn without_folders(path: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.enumerate().filter_map(move |(number, end)| {
        let begin = path[..end].rfind('/').map_or(0, |at| at + 1);
        (begin < end).then(|| (number, &path[..begin], &path[end..]))
    })
}

/// Both paths as one: `releases/20240101→20240201/app.py`; none if more than one folder differs.
fn both_names(base: &str, new: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').collect();
    let others: Vec<&str> = new.split('/').collect();
    let mut differing = (0..parts.len()).filter(|&at| others.get(at) != parts.get(at));
    let at = differing.next()?;
    if differing.next().is_some() || others.len() != parts.len() {
        return None;
    }
    drop(differing);
    let joined = format!("{}→{}", parts[at], others[at]);
    parts[at] = &joined;
    Some(parts.join("/"))
}

/// The common name, from the name of either side.
pub(super) fn common_names<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for (one, other) in pairs {
        if let Some(name) = both_names(one, other) {
            names.insert(one.to_owned(), name.clone());
            names.insert(other.to_owned(), name);
        }
    }
    names
}

/// New names of mapped files that were deployed into another folder, from the names of each side.
/// The first `of_base` runs are those of BASE.
#[must_use]
pub(super) fn of_mappings(
    runs: &[&BTreeMap<Class, Vec<Piece>>],
    of_base: usize,
) -> HashMap<String, String> {
    let (base, new) = runs.split_at(of_base);
    let files = |side: &[&'_ BTreeMap<Class, Vec<Piece>>]| -> BTreeSet<String> {
        let classes = side.iter().flat_map(|run| run.keys());
        let files = classes.filter(|class| class.kind == Kind::File.name());
        files.map(|class| class.name.clone()).collect()
    };
    let (base, new) = (files(base), files(new));
    common_names(pair_files(
        &base.iter().map(String::as_str).collect(),
        &new.iter().map(String::as_str).collect(),
    ))
}

/// A run's mappings under their new names.
#[must_use]
pub(super) fn with_names(
    mappings: &BTreeMap<Class, Vec<Piece>>,
    names: &HashMap<String, String>,
) -> BTreeMap<Class, Vec<Piece>> {
    let renamed = |(class, pieces): (&Class, &Vec<Piece>)| {
        let name = names.get(&class.name).unwrap_or(&class.name).clone();
        let class = Class {
            name,
            ..class.clone()
        };
        (class, pieces.clone())
    };
    mappings.iter().map(renamed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(base: &[&str], new: &[&str]) -> Vec<String> {
        let pairs = pair_files(
            &base.iter().copied().collect(),
            &new.iter().copied().collect(),
        );
        let names = pairs
            .iter()
            .filter_map(|(one, other)| both_names(one, other));
        names.collect()
    }

    #[test]
    fn a_file_in_another_release_is_the_same() {
        assert_eq!(
            paired(
                &["/srv/app/releases/1/app.py", "/srv/app/releases/1/db.py"],
                &["/srv/app/releases/2/app.py", "/srv/app/releases/2/db.py"]
            ),
            [
                "/srv/app/releases/1→2/app.py",
                "/srv/app/releases/1→2/db.py"
            ]
        );
    }

    #[test]
    fn what_could_be_another_is_none() {
        let none = [""; 0];
        // BASE has both.
        assert_eq!(
            paired(&["/r/1/app.py", "/r/2/app.py"], &["/r/3/app.py"]),
            none
        );
        assert_eq!(
            paired(&["/r/1/app.py"], &["/r/1/app.py", "/r/2/app.py"]),
            none
        );
        // Ambiguous: either could be the counterpart.
        assert_eq!(
            paired(&["/r/1/app.py"], &["/s/1/app.py", "/r/2/app.py"]),
            none
        );
        // Two folders differ, or the file's own name.
        assert_eq!(paired(&["/r/1/app.py"], &["/s/2/app.py"]), none);
        assert_eq!(paired(&["/r/1/app.py"], &["/r/1/views.py"]), none);
        assert_eq!(paired(&["app.py"], &["views.py"]), none);
    }
}
