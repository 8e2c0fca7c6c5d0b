//! Matches Python lines of one run with those of another, although code moves.
//!
//! A line is identified by its function, by the part of its file's path that does not depend on the
//! place of installation or deployment, and by its number. If a function's main line of one side
//! does not occur on the other, the function has moved or was rewritten, and is compared as a
//! whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::renames;
use crate::{
    run::{PythonFrame, Run, Writer},
    words::{explained, last_parts},
};

/// A place in Python code that wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Qualified name of the function. From outside.
    pub function: String,
    /// File: its path below the folder of packages or of the standard library, otherwise the last
    /// two parts. From outside.
    pub file: String,
    /// Line; none if unknown.
    pub line: Option<u32>,
    /// File and line of the caller, if the place is in a library.
    pub caller: Option<(String, Option<u32>)>,
}

impl Place {
    /// The place of a writer; none if unknown.
    #[must_use]
    pub fn of(run: &Run, writer: &Writer) -> Option<Self> {
        let (innermost, caller) = explained(run, writer)?;
        Some(Self {
            function: innermost.function.clone(),
            file: file_of_frame(innermost),
            line: innermost.line,
            caller: caller.map(|caller| (file_of_frame(caller), caller.line)),
        })
    }
}

fn file_of_frame(frame: &PythonFrame) -> String {
    let path = frame.file.as_str();
    for folder in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, file)) = path.rsplit_once(folder) {
            return file.to_owned();
        }
    }
    // Of lib/python3.11/json/encoder.py, the part after the version.
    if let Some((_, rest)) = path.rsplit_once("/lib/python3") {
        return rest
            .split_once('/')
            .map_or(rest, |(_, file)| file)
            .to_owned();
    }
    last_parts(path, 2).to_owned()
}

/// Full paths of files, by the part of them that a place keeps.
pub(super) type Files = BTreeMap<String, BTreeSet<String>>;

/// The places of a run.
pub(super) fn files_of_run(run: &Run) -> Files {
    let mut files = Files::new();
    let explained = run
        .who_wrote
        .writers
        .iter()
        .filter_map(|it| explained(run, it));
    for (innermost, caller) in explained {
        for frame in [Some(innermost), caller].into_iter().flatten() {
            files
                .entry(file_of_frame(frame))
                .or_default()
                .insert(frame.file.clone());
        }
    }
    files
}

/// Gives a file that was deployed into another folder the same name on both sides.
pub(super) fn rename_places(runs: &mut [BTreeMap<Place, f64>], of_base: usize, files: &[&Files]) {
    let places = runs.split_at(of_base);
    let names = renamed_files(places, files.split_at(of_base));
    if names.is_empty() {
        return;
    }
    let rename = |file: &mut String| {
        if let Some(name) = names.get(file) {
            file.clone_from(name);
        }
    };
    for run in runs {
        let mut places = BTreeMap::new();
        for (mut place, bytes) in std::mem::take(run) {
            rename(&mut place.file);
            if let Some((file, _)) = &mut place.caller {
                rename(file);
            }
            *places.entry(place).or_default() += bytes;
        }
        *run = places;
    }
}

type BothSides<'a, T> = (&'a [T], &'a [T]);

/// New names for files that only one side has: exactly one file of the other side has a similar
/// path, and some function occurs in both.
fn renamed_files(
    places: BothSides<'_, BTreeMap<Place, f64>>,
    files: BothSides<'_, &Files>,
) -> HashMap<String, String> {
    let (base, new) = (by_path(files.0), by_path(files.1));
    let all_base: Vec<&str> = base.values().copied().collect();
    let all_new: Vec<&str> = new.values().copied().collect();
    let is_only = |file: &str, own: &[&str], others: &[&str]| {
        own.iter().filter(|it| **it == file).count() == 1 && !others.contains(&file)
    };
    let pairs = renames::pair_files(
        &base.keys().copied().collect(),
        &new.keys().copied().collect(),
    );
    let files = pairs
        .into_iter()
        .map(|(one, other)| (base[one], new[other]));
    renames::common_names(files.filter(|(one, other)| {
        is_only(one, &all_base, &all_new)
            && is_only(other, &all_new, &all_base)
            && shares_function(places, one, other)
    }))
}

/// The files of a side, by full path.
fn by_path<'a>(side: &[&'a Files]) -> BTreeMap<&'a str, &'a str> {
    let files = side.iter().copied().flatten();
    files
        .flat_map(|(file, paths)| paths.iter().map(move |path| (path.as_str(), file.as_str())))
        .collect()
}

/// Whether the two files share a function, or one of them is known only from calls.
fn shares_function(
    (base, new): BothSides<'_, BTreeMap<Place, f64>>,
    one: &str,
    other: &str,
) -> bool {
    let functions = |side: &'_ [BTreeMap<Place, f64>], file: &str| -> BTreeSet<String> {
        let places = side.iter().flat_map(BTreeMap::keys);
        let own = places.filter(|place| place.file == file);
        own.map(|place| place.function.clone()).collect()
    };
    let (of_one, of_other) = (functions(base, one), functions(new, other));
    of_one.is_empty() || of_other.is_empty() || !of_one.is_disjoint(&of_other)
}

/// A line, or a function that has moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenLine {
    /// The place; without line and caller if the function has moved.
    pub place: Place,
    /// The function's main line in BASE and in NEW, if it has moved.
    pub moved: Option<(Option<u32>, Option<u32>)>,
}

/// Copies by line; the lines of a moved function are added up.
#[must_use]
pub(super) fn settle_lines(
    base: &[BTreeMap<Place, f64>],
    new: &[BTreeMap<Place, f64>],
) -> Vec<BTreeMap<WrittenLine, f64>> {
    let (of_base, of_new) = (by_function(base), by_function(new));
    let moved: BTreeMap<_, _> = of_base
        .iter()
        .filter_map(|(function, places)| {
            let main = has_moved(places, of_new.get(function)?)?;
            Some((*function, main))
        })
        .collect();
    let line = |place: &Place| match moved.get(&(place.function.as_str(), place.file.as_str())) {
        None => WrittenLine {
            place: place.clone(),
            moved: None,
        },
        Some(main) => WrittenLine {
            place: Place {
                line: None,
                caller: None,
                ..place.clone()
            },
            moved: Some(*main),
        },
    };
    let settled = |places: &BTreeMap<Place, f64>| {
        let mut lines = BTreeMap::new();
        for (place, bytes) in places {
            *lines.entry(line(place)).or_default() += bytes;
        }
        lines
    };
    base.iter().chain(new).map(settled).collect()
}

type Function<'a> = (&'a str, &'a str);

fn by_function(side: &[BTreeMap<Place, f64>]) -> BTreeMap<Function<'_>, BTreeMap<&Place, f64>> {
    let mut functions: BTreeMap<Function<'_>, BTreeMap<&Place, f64>> = BTreeMap::new();
    for (place, bytes) in side.iter().flatten() {
        let function = (place.function.as_str(), place.file.as_str());
        *functions
            .entry(function)
            .or_default()
            .entry(place)
            .or_default() += bytes;
    }
    functions
}

/// The function's main line on each side, if neither occurs on the other side.
fn has_moved(
    base: &BTreeMap<&Place, f64>,
    new: &BTreeMap<&Place, f64>,
) -> Option<(Option<u32>, Option<u32>)> {
    let main = |side: &BTreeMap<&Place, f64>| {
        let most = side.iter().max_by(|one, other| one.1.total_cmp(other.1));
        most.map(|(place, _)| place.line)
    };
    let lines = |side: &BTreeMap<&Place, f64>| -> BTreeSet<Option<u32>> {
        side.keys().map(|place| place.line).collect()
    };
    let (of_base, of_new) = (main(base)?, main(new)?);
    (!lines(new).contains(&of_base) && !lines(base).contains(&of_new)).then_some((of_base, of_new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str, line: u32) -> Place {
        Place {
            function: function.into(),
            file: "app/views.py".into(),
            line: Some(line),
            caller: None,
        }
    }

    #[test]
    fn files_do_not_depend_on_where_they_are_installed() {
        let told = |path: &str| {
            file_of_frame(&PythonFrame {
                function: "f".into(),
                file: path.into(),
                line: None,
            })
        };
        let venv = "/srv/a/venv/lib/python3.12/site-packages/tornado/web.py";
        assert_eq!(told(venv), "tornado/web.py");
        assert_eq!(
            told("/usr/lib/python3.11/json/encoder.py"),
            "json/encoder.py"
        );
        assert_eq!(told("/srv/releases/17/app/views.py"), "app/views.py");
        assert_eq!(told("service.py"), "service.py");
    }

    #[test]
    fn a_function_that_moved_is_one_row_and_one_that_did_not_is_not() {
        let base = BTreeMap::from([
            (place("get", 10), 80.0),
            (place("get", 12), 8.0),
            (place("put", 30), 5.0),
        ]);
        let new = BTreeMap::from([
            (place("get", 14), 70.0),
            (place("get", 16), 7.0),
            (place("put", 30), 5.0),
            (place("put", 31), 50.0),
        ]);
        let settled = settle_lines(&[base], &[new]);
        assert_eq!(settled.len(), 2);
        let get = |run: &BTreeMap<WrittenLine, f64>| -> Vec<(Option<u32>, f64)> {
            run.iter()
                .map(|(line, bytes)| (line.place.line, *bytes))
                .collect()
        };
        assert_eq!(get(&settled[0]), [(None, 88.0), (Some(30), 5.0)]);
        assert_eq!(
            get(&settled[1]),
            [(None, 77.0), (Some(30), 5.0), (Some(31), 50.0)]
        );
        let moved = settled[0].keys().find_map(|line| line.moved);
        assert_eq!(moved, Some((Some(10), Some(14))));
    }
}
