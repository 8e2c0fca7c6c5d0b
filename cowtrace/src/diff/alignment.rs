//! Matches the mappings of one run with those of another by name, kind and position, since
//! addresses differ from run to run.
//!
//! Mappings with a name of their own are matched by position if every run has the same number of
//! them. All others (mainly anonymous memory, whose number and sizes vary) are matched in order of
//! their addresses, so that as much memory as possible is matched with memory of similar size, and
//! never with a mapping of more than twice or less than half the size. Mappings without a
//! counterpart in every run are not compared one by one: they are added up, and the output says so.
//!
//! Among mappings without a name may be some that have one by their contents
//! ([`contents`](super::contents)): they match others of that name rather than those without, and
//! never those of another.

use std::collections::BTreeMap;

use super::regions::{Class, Piece};

/// Mappings whose sizes differ by more than this factor never match.
const MOST_UNLIKE: u64 = 2;

/// Most mappings of a class that are aligned, the largest ones: the work grows with the square.
const MOST_ALIGNED: usize = 1_000;

/// How much a mapping without a name is like one that has a name by its contents: less than one of that name, whichever
/// of the sizes that match it has.
const OF_UNNAMED: f64 = 0.2;

/// A mapping in each run.
type Entry<'a> = Vec<Option<&'a Piece>>;

/// A mapping, in all runs that have it.
#[derive(Clone, Debug)]
pub(super) struct Aligned<'a> {
    /// Its class, with the name that its contents show in some run.
    pub class: Class,
    /// Its position among those of its class, from 1.
    pub position: usize,
    /// How many mappings its class has.
    pub of: usize,
    /// The mapping in each run.
    pub pieces: Entry<'a>,
}

/// Finds counterparts of each run's mappings in the other runs. Also returns, for each class, the
/// mappings beyond `MOST_ALIGNED`, by run.
#[must_use]
pub(super) fn align_mappings<'a>(
    runs: &[&'a BTreeMap<Class, Vec<Piece>>],
) -> (Vec<Aligned<'a>>, BTreeMap<&'a Class, Vec<Vec<&'a Piece>>>) {
    let mut classes: BTreeMap<&Class, Vec<Vec<&Piece>>> = BTreeMap::new();
    for (run, mappings) in runs.iter().enumerate() {
        for (class, pieces) in *mappings {
            let by_run = classes
                .entry(class)
                .or_insert_with(|| vec![Vec::new(); runs.len()]);
            by_run[run] = pieces.iter().collect();
        }
    }
    let mut aligned = Vec::new();
    let mut left_out = BTreeMap::new();
    for (class, by_run) in classes {
        let (by_run, others): (Vec<_>, Vec<_>) = by_run.into_iter().map(largest_mappings).unzip();
        if others.iter().any(|pieces| !pieces.is_empty()) {
            left_out.insert(class, others);
        }
        let entries = if !class.is_anonymous() && same_number(&by_run) {
            by_position(&by_run)
        } else {
            by_likeness(&by_run)
        };
        aligned.extend(numbered(class, entries));
    }
    (aligned, left_out)
}

/// Gives each mapping its position among those of its name.
fn numbered<'a>(class: &Class, entries: Vec<Entry<'a>>) -> Vec<Aligned<'a>> {
    let mut numbers: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut aligned = Vec::new();
    for pieces in entries {
        let contents = contents_of_entry(&pieces);
        let position = numbers.entry(contents).or_default();
        *position += 1;
        aligned.push(Aligned {
            class: Class {
                name: contents.unwrap_or(&class.name).to_owned(),
                ..class.clone()
            },
            position: *position,
            of: 0,
            pieces,
        });
    }
    for it in &mut aligned {
        it.of = numbers[&contents_of_entry(&it.pieces)];
    }
    aligned
}

/// The largest mappings in order of their addresses, and the others.
fn largest_mappings(mut pieces: Vec<&Piece>) -> (Vec<&Piece>, Vec<&Piece>) {
    if pieces.len() <= MOST_ALIGNED {
        return (pieces, Vec::new());
    }
    pieces.sort_by_key(|piece| (std::cmp::Reverse(piece.size), piece.start));
    let others = pieces.split_off(MOST_ALIGNED);
    pieces.sort_by_key(|piece| piece.start);
    (pieces, others)
}

fn same_number(by_run: &[Vec<&Piece>]) -> bool {
    by_run.windows(2).all(|pair| pair[0].len() == pair[1].len())
}

fn by_position<'a>(by_run: &[Vec<&'a Piece>]) -> Vec<Entry<'a>> {
    let number = by_run.first().map_or(0, Vec::len);
    (0..number)
        .map(|position| by_run.iter().map(|pieces| Some(pieces[position])).collect())
        .collect()
}

/// Aligns each run with the runs before it.
fn by_likeness<'a>(by_run: &[Vec<&'a Piece>]) -> Vec<Entry<'a>> {
    let runs = by_run.len();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (run, pieces) in by_run.iter().enumerate() {
        let so_far: Vec<Traits> = entries.iter().map(|entry| Traits::of(entry)).collect();
        let own: Vec<Traits> = pieces.iter().map(|it| Traits::of(&[Some(it)])).collect();
        let mut known = entries.into_iter().zip(0..).peekable();
        let mut merged = Vec::new();
        let new_entry = |piece| {
            let mut entry = vec![None; runs];
            entry[run] = Some(piece);
            entry
        };
        let mut next = 0;
        for (at, piece_at) in counterparts(&so_far, &own) {
            merged.extend(pieces[next..piece_at].iter().map(|piece| new_entry(*piece)));
            next = piece_at + 1;
            while let Some((mut entry, number)) = known.next_if(|(_, number)| *number <= at) {
                if number == at {
                    entry[run] = Some(pieces[piece_at]);
                }
                merged.push(entry);
            }
        }
        merged.extend(known.map(|(entry, _)| entry));
        merged.extend(pieces[next..].iter().map(|piece| new_entry(*piece)));
        entries = merged;
    }
    entries
}

/// What makes a mapping like another.
struct Traits {
    /// In the first run that has it.
    size: u64,
    /// By its contents, if they were looked at in a run.
    contents: Option<&'static str>,
}

impl Traits {
    fn of(entry: &[Option<&Piece>]) -> Self {
        Self {
            size: entry.iter().flatten().next().map_or(0, |piece| piece.size),
            contents: contents_of_entry(entry),
        }
    }
}

fn contents_of_entry(entry: &[Option<&Piece>]) -> Option<&'static str> {
    entry.iter().flatten().find_map(|piece| piece.contents)
}

/// Pairs of positions, in order, that match as much memory as possible with memory of similar size.
fn counterparts(ones: &[Traits], others: &[Traits]) -> Vec<(usize, usize)> {
    let columns = others.len() + 1;
    let mut best = vec![0.0; (ones.len() + 1) * columns];
    for row in 1..=ones.len() {
        for column in 1..columns {
            let pair = best[(row - 1) * columns + column - 1]
                + likeness(&ones[row - 1], &others[column - 1]);
            let without = f64::max(
                best[(row - 1) * columns + column],
                best[row * columns + column - 1],
            );
            best[row * columns + column] = f64::max(pair, without);
        }
    }
    let (mut row, mut column) = (ones.len(), others.len());
    let mut pairs = Vec::new();
    while row > 0 && column > 0 {
        let here = best[row * columns + column];
        if here <= best[(row - 1) * columns + column] {
            row -= 1;
        } else if here <= best[row * columns + column - 1] {
            column -= 1;
        } else {
            (row, column) = (row - 1, column - 1);
            pairs.push((row, column));
        }
    }
    pairs.reverse();
    pairs
}

/// Memory that two mappings share, less if their sizes differ or only one has a name, and nothing if they differ too
/// much or have two names.
fn likeness(one: &Traits, other: &Traits) -> f64 {
    let (least, most) = (one.size.min(other.size), one.size.max(other.size));
    let name = match (one.contents, other.contents) {
        (one, other) if one == other => 1.0,
        (None, _) | (_, None) => OF_UNNAMED,
        _ => return 0.0,
    };
    if most == 0 || most > least.saturating_mul(MOST_UNLIKE) {
        return 0.0;
    }
    name * least as f64 * (least as f64 / most as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Kind;

    fn class(name: &str, kind: Kind) -> Class {
        Class {
            master: Some(0),
            name: name.into(),
            kind: kind.name(),
            can_be_copied: true,
        }
    }

    /// Mappings with these sizes in MiB; of the addresses only the order matters.
    fn run(class: &Class, sizes: &[u64]) -> BTreeMap<Class, Vec<Piece>> {
        let piece = |(number, size): (u64, &u64)| Piece {
            start: 0x7f00_0000_0000 + (number << 32),
            size: size << 20,
            copied: *size as f64,
            unshared: None,
            shape: None,
            contents: None,
        };
        let pieces = (0..).zip(sizes).map(piece).collect();
        BTreeMap::from([(class.clone(), pieces)])
    }

    /// Sizes in MiB of each mapping in each run.
    fn aligned(class: &Class, runs: &[&[u64]]) -> Vec<Vec<Option<u64>>> {
        let runs: Vec<_> = runs.iter().map(|sizes| run(class, sizes)).collect();
        let runs: Vec<_> = runs.iter().collect();
        let (aligned, _) = align_mappings(&runs);
        let size = |piece: Option<&Piece>| piece.map(|piece| piece.size >> 20);
        aligned
            .iter()
            .map(|it| it.pieces.iter().copied().map(size).collect())
            .collect()
    }

    #[test]
    fn named_mappings_go_by_position_whatever_their_sizes() {
        let heap = class("[heap]", Kind::Heap);
        assert_eq!(aligned(&heap, &[&[10], &[90]]), [[Some(10), Some(90)]]);
        let library = class("/lib/x.so", Kind::File);
        assert_eq!(
            aligned(&library, &[&[1, 8], &[3, 8]]),
            [[Some(1), Some(3)], [Some(8), Some(8)]]
        );
    }

    #[test]
    fn an_anonymous_mapping_more_shifts_none_of_the_others() {
        let anon = class("[anon]", Kind::Anon);
        assert_eq!(
            aligned(&anon, &[&[100, 40, 20], &[8, 101, 39, 20]]),
            [
                [None, Some(8)],
                [Some(100), Some(101)],
                [Some(40), Some(39)],
                [Some(20), Some(20)]
            ]
        );
    }

    #[test]
    fn mappings_of_unlike_size_are_not_matched() {
        let anon = class("[anon]", Kind::Anon);
        assert_eq!(
            aligned(&anon, &[&[100], &[40]]),
            [[Some(100), None], [None, Some(40)]]
        );
        assert_eq!(aligned(&anon, &[&[100], &[50]]), [[Some(100), Some(50)]]);
    }

    #[test]
    fn of_two_ways_to_match_the_one_with_more_memory_is_taken() {
        let anon = class("[anon]", Kind::Anon);
        assert_eq!(
            aligned(&anon, &[&[100, 50], &[50, 100]]),
            [[None, Some(50)], [Some(100), Some(100)], [Some(50), None]]
        );
    }

    #[test]
    fn runs_are_aligned_one_after_the_other() {
        let anon = class("[anon]", Kind::Anon);
        assert_eq!(
            aligned(&anon, &[&[100, 20], &[100, 4, 20], &[4, 20]]),
            [
                [Some(100), Some(100), None],
                [None, Some(4), Some(4)],
                [Some(20), Some(20), Some(20)]
            ]
        );
    }

    #[test]
    fn no_mapping_is_lost_or_doubled() {
        let anon = class("[anon]", Kind::Anon);
        let sizes: Vec<Vec<u64>> = (1..6u64)
            .map(|seed| (1..40).map(|n| n * n * seed % 61).collect())
            .collect();
        let slices: Vec<&[u64]> = sizes.iter().map(Vec::as_slice).collect();
        let entries = aligned(&anon, &slices);
        for (run, sizes) in sizes.iter().enumerate() {
            let told: Vec<u64> = entries.iter().filter_map(|entry| entry[run]).collect();
            assert_eq!(&told, sizes, "all, in their order");
        }
    }

    #[test]
    fn a_mapping_matches_one_of_its_contents_rather_than_one_without_and_never_one_of_others() {
        let anon = class("[anon]", Kind::Anon);
        let run = |pieces: &[(u64, Option<&'static str>)]| {
            let sizes: Vec<u64> = pieces.iter().map(|(size, _)| *size).collect();
            let mut run = run(&anon, &sizes);
            let named = run.get_mut(&anon).unwrap().iter_mut().zip(pieces);
            named.for_each(|(piece, (_, contents))| piece.contents = *contents);
            run
        };
        let (one, other) = (Some("[jemalloc]"), Some("[zend heap]"));
        let runs = [
            run(&[(64, one), (100, None), (32, one), (16, other)]),
            run(&[(100, one), (33, None), (10, one)]),
        ];
        let (aligned, _) = align_mappings(&runs.iter().collect::<Vec<_>>());
        let shown = aligned.iter().map(|it| {
            let size = |piece: Option<&Piece>| piece.map(|piece| piece.size >> 20);
            let sizes: Vec<_> = it.pieces.iter().copied().map(size).collect();
            (it.class.name.as_str(), it.position, it.of, sizes)
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                ("[jemalloc]", 1, 3, vec![Some(64), Some(100)]),
                ("[anon]", 1, 1, vec![Some(100), None]),
                ("[jemalloc]", 2, 3, vec![Some(32), Some(33)]),
                ("[zend heap]", 1, 1, vec![Some(16), None]),
                ("[jemalloc]", 3, 3, vec![None, Some(10)]),
            ]
        );
    }

    #[test]
    fn of_too_many_mappings_the_largest_are_aligned() {
        let anon = class("[anon]", Kind::Anon);
        let sizes: Vec<u64> = (1..=1_100).collect();
        let run = run(&anon, &sizes);
        let (aligned, left_out) = align_mappings(&[&run]);
        assert_eq!(aligned.len(), MOST_ALIGNED);
        assert_eq!(left_out[&anon][0].len(), 100);
        assert!(
            left_out[&anon][0]
                .iter()
                .all(|piece| piece.size <= 100 << 20)
        );
    }
}
