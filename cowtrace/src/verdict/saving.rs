//! What moving variables out of the heap would save.

use super::holders::{ANSWER_SHARE, HeldPages, MOST_IN_ANSWER, equal_holders};
use crate::{
    run::{Holder, Run, Saving},
    words::{plural, printable, shorten, size},
};

/// A smaller saving is not worth a word.
const LEAST_BYTES: u64 = 1 << 20;
/// Longer paths in a sentence are cut.
const MAX_NAME: usize = 40;
/// Neighbours that are named.
const MOST_NAMED: usize = 3;

/// What moving the main variables out of the heap saves, with those on the same pages.
pub(super) struct Promise {
    /// Of which to speak: `A and the 2 variables on its pages`; none if they are the main variables alone.
    pub(super) variables: Option<String>,
    pub(super) bytes: u64,
    /// What one of them would save alone, in sentences; empty if there is nothing else to say.
    pub(super) details: String,
}

impl Promise {
    /// None if nothing is known about the main variables.
    pub(super) fn of(run: &Run) -> Option<Self> {
        let held = HeldPages::of(run)?;
        let holders = run.who_holds.holders.iter();
        let main = holders.filter(|holder| held.share(holder.copied_pages) >= ANSWER_SHARE);
        let main: Vec<(&Holder, &Saving)> = main
            .take(MOST_IN_ANSWER)
            .filter_map(|holder| Some((holder, holder.saving.as_ref()?)))
            .filter(|(_, saving)| saving.saved_together_pages > 0)
            .collect();
        let (covered, mut pages) = all_on_their_pages(&main);
        let variables = with_others(&main, covered);
        if variables.is_none() {
            // It speaks of data, whichever variable holds it.
            let all = run.who_holds.holders.iter();
            let all: Vec<(&Holder, &Saving)> = all
                .filter_map(|holder| Some((holder, holder.saving.as_ref()?)))
                .collect();
            pages = all_on_their_pages(&all).1;
        }
        let with_neighbours = main.iter().filter(|(_, it)| !it.shares_with.is_empty());
        let details = with_neighbours.filter_map(|(holder, _)| {
            let words = saving_in_words(run, holder)?;
            Some(format!("{} lies {words}.", name(&holder.path)))
        });
        (pages > 0).then(|| Self {
            variables,
            bytes: run.bytes(pages.min(run.copied().total())),
            details: details.collect::<Vec<_>>().join(" "),
        })
    }
}

/// How many variables these are together with those on the same pages, and what moving all of them saves, pages.
fn all_on_their_pages(holders: &[(&Holder, &Saving)]) -> (usize, u64) {
    let (mut covered, mut pages) = (Vec::new(), 0);
    for (holder, saving) in holders {
        let own = (holder.process_id, holder.path.as_str());
        if !covered.contains(&own) {
            pages += saving.saved_together_pages;
            let neighbours = saving.shares_with.iter();
            covered.extend(neighbours.map(|it| (holder.process_id, it.path.as_str())));
            covered.push(own);
        }
    }
    covered.sort_unstable();
    covered.dedup();
    (covered.len(), pages)
}

/// `A and the 2 variables on its pages`, if there are others among this many.
fn with_others(main: &[(&Holder, &Saving)], all: usize) -> Option<String> {
    let others = all.checked_sub(main.len()).filter(|others| *others > 0)?;
    let names: Vec<String> = main.iter().map(|(holder, _)| name(&holder.path)).collect();
    let others = match others {
        1 => "the variable".to_owned(),
        others => format!("the {others} variables"),
    };
    let whose = if names.len() == 1 { "its" } else { "their" };
    Some(format!(
        "{} and {others} on {whose} pages",
        names.join(", ")
    ))
}

/// `on the same pages as A and B: moving all three saves at most 92 MiB, this one alone 31 MiB`; none if that is
/// not known or nothing.
pub(crate) fn saving_in_words(run: &Run, holder: &Holder) -> Option<String> {
    let saving = holder.saving.as_ref()?;
    let bytes = |pages: u64| in_bytes(run, saving, pages);
    if run.bytes(saving.saved_together_pages) < LEAST_BYTES {
        return None;
    }
    let shared = if equal_holders(holder).next().is_some() {
        ", once nothing else holds it"
    } else {
        ""
    };
    let together = bytes(saving.saved_together_pages);
    if saving.shares_with.is_empty() {
        return Some(format!(
            "moving it out of the heap saves at most {together}{shared}"
        ));
    }
    let names: Vec<&str> = saving
        .shares_with
        .iter()
        .map(|it| it.path.as_str())
        .collect();
    let all = match names.len() + 1 {
        2 => "both".to_owned(),
        3 => "all three".to_owned(),
        more => format!("all {more}"),
    };
    let alone = bytes(saving.saved_pages);
    Some(format!(
        "on the same pages as {}: moving {all} out of the heap saves at most {together}, this one alone \
         {alone}{shared}",
        named_with_others(&names, MOST_NAMED)
    ))
}

/// Pages of this in bytes, `about` where a sample was looked at.
fn in_bytes(run: &Run, saving: &Saving, pages: u64) -> String {
    let about = if saving.is_sampled { "about " } else { "" };
    format!("{about}{}", size(run.bytes(pages)))
}

fn name(path: &str) -> String {
    shorten(&printable(path), MAX_NAME)
}

/// `A, B and C`, or `A, B and 2 more variables`.
fn named_with_others(paths: &[&str], most: usize) -> String {
    let named = if paths.len() > most {
        most
    } else {
        paths.len()
    };
    let mut parts: Vec<String> = paths[..named].iter().map(|path| name(path)).collect();
    let others = (paths.len() - named) as u64;
    if others > 0 {
        parts.push(plural(others, "more variable"));
    }
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::PageNeighbour;

    const SERVICE: &str = include_str!("../../../tests/tests/runs/service.json");

    fn stored(run: &str) -> Run {
        serde_json::from_str(run).unwrap()
    }

    #[test]
    fn many_variables_are_counted() {
        let named = |paths: &[&str]| named_with_others(paths, 2);
        assert_eq!(named(&["a"]), "a");
        assert_eq!(named(&["a", "b"]), "a and b");
        assert_eq!(named(&["a", "b", "c"]), "a, b and 1 more variable");
        assert_eq!(named(&["a", "b", "c", "d"]), "a, b and 2 more variables");
    }
    fn saving(pages: [u64; 2], neighbours: &[&str]) -> Saving {
        let neighbour = |path: &&str| PageNeighbour {
            path: (*path).into(),
            pages: 1,
        };
        Saving {
            saved_pages: pages[0],
            saved_together_pages: pages[1],
            shares_with: neighbours.iter().map(neighbour).collect(),
            ..Saving::default()
        }
    }

    #[test]
    fn what_is_saved_alone_and_together_is_told() {
        let mut run = stored(SERVICE);
        let holder = &mut run.who_holds.holders[0];
        let told = |holder: &Holder| saving_in_words(&stored(SERVICE), holder);
        assert_eq!(told(holder), None);
        holder.also_held_by.clear();
        holder.saving = Some(saving([512, 512], &[]));
        let alone = "moving it out of the heap saves at most 2 MiB";
        assert_eq!(told(holder).as_deref(), Some(alone));
        holder.saving = Some(saving([512, 1024], &["app.index"]));
        let both = "on the same pages as app.index: moving both out of the heap saves at most 4 MiB, this one \
            alone 2 MiB";
        assert_eq!(told(holder).as_deref(), Some(both));
        holder.saving = Some(saving([512, 1024], &["a", "b", "c", "d"]));
        let all = told(holder).unwrap();
        assert!(
            all.starts_with("on the same pages as a, b, c and 1 more variable: moving all 5 out")
        );
    }

    #[test]
    fn what_lies_on_the_same_pages_is_promised_once() {
        let mut run = stored(SERVICE);
        assert!(Promise::of(&run).is_none());
        let holders = &mut run.who_holds.holders;
        let (first, second) = (holders[0].path.clone(), holders[1].path.clone());
        holders[0].saving = Some(saving([512, 2000], &[&second]));
        holders[1].saving = Some(saving([700, 2000], &[&first]));
        let promise = Promise::of(&run).unwrap();
        assert_eq!(promise.bytes, 2000 * 4096);
        assert_eq!(promise.variables, None);
        assert!(promise.details.contains("this one alone 2 MiB"));
        let holders = &mut run.who_holds.holders;
        holders[0].saving = Some(saving([512, 512], &[]));
        holders[1].saving = Some(saving([700, 700], &[]));
        let promise = Promise::of(&run).unwrap();
        assert_eq!((promise.bytes, promise.details.as_str()), (1212 * 4096, ""));
        // Of data in general, what smaller variables hold counts too.
        let mut small = run.who_holds.holders[0].clone();
        small.path = "small".into();
        small.copied_pages = 1;
        small.saving = Some(saving([100, 100], &[]));
        run.who_holds.holders.push(small);
        assert_eq!(Promise::of(&run).unwrap().bytes, 1312 * 4096);
        run.who_holds.holders.truncate(1);
        run.who_holds.holders[0].saving = Some(saving([512, 1024], &["a", "b"]));
        let expected = format!("{first} and the 2 variables on its pages");
        assert_eq!(Promise::of(&run).unwrap().variables, Some(expected));
    }
}
