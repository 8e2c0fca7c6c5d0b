//! What the objects of a process grew by since an earlier look at the same process.

use std::collections::HashMap;

use super::{HeapContents, HeapSum};

/// An earlier look at the objects of a process, as far as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeapLook {
    /// Process id.
    pub pid: u32,
    /// When the process started, clock ticks since boot.
    pub started_ticks: u64,
    /// When it was looked at, ns since boot.
    pub at_ns: u64,
    /// All objects.
    pub all: HeapSum,
    /// Objects by type. Names are from outside.
    pub types: Vec<(String, HeapSum)>,
    /// Objects by variable: path, type, and what it held. From outside.
    pub variables: Vec<(String, Option<String>, Option<u64>, HeapSum)>,
    /// Whether a bound was met.
    pub is_partial: bool,
}

/// A difference of two sums; negative for what was freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapChange {
    /// Objects.
    pub objects: i64,
    /// Bytes.
    pub bytes: i64,
}

/// What the objects of a process grew by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeapGrowth {
    /// Time between the two looks, ns.
    pub elapsed_ns: u64,
    /// All objects.
    pub all: HeapChange,
    /// Types that changed, by name, the most bytes more first.
    pub types: Vec<(String, HeapChange)>,
    /// Variables that changed, the most bytes more first.
    pub variables: Vec<VariableChange>,
    /// Whether the earlier look was partial.
    pub was_partial: bool,
}

/// What a variable holds more, or less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariableChange {
    /// Path. From outside.
    pub path: String,
    /// Name of its type. From outside.
    pub type_name: Option<String>,
    /// Entries more; `None` if it has none, or if only one look lists it.
    pub entries: Option<i64>,
    /// Objects and bytes more.
    pub change: HeapChange,
    /// Whether both looks list it: else it was too small in one of them to have a line of its own.
    pub is_in_both: bool,
}

impl HeapChange {
    fn between(before: HeapSum, now: HeapSum) -> Self {
        Self {
            objects: signed_difference(before.objects, now.objects),
            bytes: signed_difference(before.bytes, now.bytes),
        }
    }
}

fn signed_difference(before: u64, now: u64) -> i64 {
    let part = |more: u64, less: u64| i64::try_from(more - less).unwrap_or(i64::MAX);
    if now >= before {
        part(now, before)
    } else {
        -part(before, now)
    }
}

impl HeapGrowth {
    /// Between an earlier look and the contents of the same process now.
    #[must_use]
    pub fn between(before: &HeapLook, now: &HeapContents) -> Self {
        Self {
            elapsed_ns: now.at_ns.saturating_sub(before.at_ns),
            all: HeapChange::between(before.all, now.all),
            types: changed_types(before, now),
            variables: changed_variables(before, now),
            was_partial: before.is_partial,
        }
    }
}

fn changed_types(before: &HeapLook, now: &HeapContents) -> Vec<(String, HeapChange)> {
    let mut sums: HashMap<&str, (HeapSum, HeapSum)> = HashMap::new();
    for (name, sum) in &before.types {
        sums.entry(name).or_default().0.add(*sum);
    }
    for of_type in &now.types {
        sums.entry(&of_type.name).or_default().1.add(of_type.sum);
    }
    let mut changed: Vec<(String, HeapChange)> = sums
        .into_iter()
        .map(|(name, (before, now))| (name.to_owned(), HeapChange::between(before, now)))
        .filter(|(_, change)| *change != HeapChange::default())
        .collect();
    changed.sort_by(|one, other| (other.1.bytes, &one.0).cmp(&(one.1.bytes, &other.0)));
    changed
}

fn changed_variables(before: &HeapLook, now: &HeapContents) -> Vec<VariableChange> {
    type HeldInLook = (Option<u64>, HeapSum);
    let mut all: HashMap<(&str, Option<&str>), [Option<HeldInLook>; 2]> = HashMap::new();
    for (path, type_name, entries, sum) in &before.variables {
        let looks = all.entry((path, type_name.as_deref())).or_default();
        looks[0] = Some((*entries, *sum));
    }
    for variable in &now.variables {
        let key = (variable.path.as_str(), variable.type_name.as_deref());
        all.entry(key).or_default()[1] = Some((variable.entries, variable.sum));
    }
    let mut changed: Vec<VariableChange> = all
        .into_iter()
        .map(|((path, type_name), looks)| {
            let [before, now] = looks.map(Option::unwrap_or_default);
            let entries = before.0.zip(now.0);
            VariableChange {
                path: path.to_owned(),
                type_name: type_name.map(str::to_owned),
                entries: entries.map(|(before, now)| signed_difference(before, now)),
                change: HeapChange::between(before.1, now.1),
                is_in_both: looks.iter().all(Option::is_some),
            }
        })
        .filter(|it| it.change != HeapChange::default())
        .collect();
    changed.sort_by(|one, other| {
        (other.change.bytes, &one.path).cmp(&(one.change.bytes, &other.path))
    });
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{HeapUnknown, TypeContents, VariableContents};

    const fn sum(objects: u64, bytes: u64) -> HeapSum {
        HeapSum { objects, bytes }
    }

    const fn change(objects: i64, bytes: i64) -> HeapChange {
        HeapChange { objects, bytes }
    }

    fn contents() -> HeapContents {
        let of_type = |name: &str, sum| TypeContents {
            name: name.into(),
            sum,
            largest_bytes: 0,
        };
        let variable = |path: &str, entries, sum| VariableContents {
            path: path.into(),
            type_name: Some("dict".into()),
            entries: Some(entries),
            sum,
            aliases: Vec::new(),
        };
        HeapContents {
            pid: 7,
            comm: "python3".into(),
            started_ticks: 1,
            at_ns: 9_000,
            python: (3, 11),
            all: sum(50, 5_000),
            types: vec![
                of_type("dict", sum(30, 3_000)),
                of_type("str", sum(20, 2_000)),
            ],
            variables: vec![
                variable("a", 9, sum(20, 900)),
                variable("new", 1, sum(1, 50)),
            ],
            smaller_variables: HeapSum::default(),
            interpreter_alone: HeapSum::default(),
            unheld: Err(HeapUnknown::NoLists),
            collects: None,
            limits: Vec::new(),
            unread: Vec::new(),
            swapped_bytes: 0,
            bytes_read: 0,
            duration_ns: 0,
        }
    }

    #[test]
    fn what_is_more_comes_first_and_what_is_gone_last() {
        let before = HeapLook {
            pid: 7,
            started_ticks: 1,
            at_ns: 2_000,
            all: sum(45, 6_000),
            types: vec![
                ("str".into(), sum(20, 2_000)),
                ("list".into(), sum(5, 3_500)),
                ("dict".into(), sum(20, 500)),
            ],
            variables: vec![
                ("a".into(), Some("dict".into()), Some(4), sum(10, 400)),
                ("old".into(), Some("list".into()), Some(5), sum(5, 3_500)),
            ],
            is_partial: false,
        };
        let growth = HeapGrowth::between(&before, &contents());
        assert_eq!((growth.elapsed_ns, growth.all), (7_000, change(5, -1_000)));
        let dict = ("dict".to_owned(), change(10, 2_500));
        assert_eq!(growth.types, [dict, ("list".into(), change(-5, -3_500))]);
        let told: Vec<_> = growth
            .variables
            .iter()
            .map(|it| (it.path.as_str(), it.entries, it.change, it.is_in_both))
            .collect();
        let expected = [
            ("a", Some(5), change(10, 500), true),
            ("new", None, change(1, 50), false),
            ("old", None, change(-5, -3_500), false),
        ];
        assert_eq!(told, expected);
    }
}
