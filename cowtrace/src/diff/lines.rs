//! Which Python line of one run is which of another, though code moves.
//!
//! A line is known by its function, its file as far as that does not depend on where things are
//! installed, and its number. A function whose main line of one side does not occur on the other has
//! moved or was rewritten: it is compared as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    report,
    run::{PythonFrame, Run, Writer},
};

/// Where in Python code a writer was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Qualified name of the function. From outside.
    pub function: String,
    /// File: below the folder of packages or of the standard library, else its last two parts. From
    /// outside.
    pub file: String,
    /// Line; none if it is not known.
    pub line: Option<u32>,
    /// File and line that called, where the place is in a library.
    pub caller: Option<(String, Option<u32>)>,
}

impl Place {
    /// Where a writer was; none if that is not known.
    #[must_use]
    pub fn of(run: &Run, writer: &Writer) -> Option<Self> {
        let (innermost, caller) = report::explained(run, writer)?;
        Some(Self {
            function: innermost.function.clone(),
            file: file(innermost),
            line: innermost.line,
            caller: caller.map(|caller| (file(caller), caller.line)),
        })
    }
}

fn file(frame: &PythonFrame) -> String {
    let path = frame.file.as_str();
    for folder in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, file)) = path.rsplit_once(folder) {
            return file.to_owned();
        }
    }
    // Of lib/python3.11/json/encoder.py what follows the version.
    if let Some((_, rest)) = path.rsplit_once("/lib/python3") {
        return rest
            .split_once('/')
            .map_or(rest, |(_, file)| file)
            .to_owned();
    }
    report::last_parts(path, 2).to_owned()
}

/// A line, or a function that has moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Where it is; without line and caller if the function has moved.
    pub place: Place,
    /// The function's main line in BASE and in NEW, if it has moved.
    pub moved: Option<(Option<u32>, Option<u32>)>,
}

/// Runs by line, with the lines of moved functions together.
#[must_use]
pub(super) fn settle(
    base: &[&BTreeMap<Place, f64>],
    new: &[&BTreeMap<Place, f64>],
) -> Vec<BTreeMap<Line, f64>> {
    let (of_base, of_new) = (by_function(base), by_function(new));
    let moved: BTreeMap<_, _> = of_base
        .iter()
        .filter_map(|(function, places)| {
            let main = has_moved(places, of_new.get(function)?)?;
            Some((*function, main))
        })
        .collect();
    let line = |place: &Place| match moved.get(&(place.function.as_str(), place.file.as_str())) {
        None => Line {
            place: place.clone(),
            moved: None,
        },
        Some(main) => Line {
            place: Place {
                line: None,
                caller: None,
                ..place.clone()
            },
            moved: Some(*main),
        },
    };
    let settled = |places: &&BTreeMap<Place, f64>| {
        let mut lines = BTreeMap::new();
        for (place, bytes) in *places {
            *lines.entry(line(place)).or_default() += bytes;
        }
        lines
    };
    base.iter().chain(new).map(settled).collect()
}

type Function<'a> = (&'a str, &'a str);

fn by_function<'a>(
    side: &[&'a BTreeMap<Place, f64>],
) -> BTreeMap<Function<'a>, BTreeMap<&'a Place, f64>> {
    let mut functions: BTreeMap<Function<'_>, BTreeMap<&Place, f64>> = BTreeMap::new();
    for (place, bytes) in side.iter().copied().flatten() {
        let function = (place.function.as_str(), place.file.as_str());
        *functions
            .entry(function)
            .or_default()
            .entry(place)
            .or_default() += bytes;
    }
    functions
}

/// The main lines of both sides, if neither occurs on the other.
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
            file(&PythonFrame {
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
        let settled = settle(&[&base], &[&new]);
        assert_eq!(settled.len(), 2);
        let get = |run: &BTreeMap<Line, f64>| -> Vec<(Option<u32>, f64)> {
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
