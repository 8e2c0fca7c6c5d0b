//! What lives on new memory: types, and variables.

use super::column::{Column, Holds, Shown};
use crate::{
    run::{GrownType, GrownVariable},
    words::printable,
};

/// The objects of a type, of all processes that were read.
#[derive(Default)]
pub(crate) struct GrownTypeRow {
    objects: u64,
    pub(crate) bytes: u64,
    unheld: u64,
    pub(crate) name: String,
    all: u64,
}

pub(crate) const GROWN_TYPES: [Column<GrownTypeRow>; 5] = [
    Column::new("objects", Holds::Count, Shown::Everywhere, |row| {
        row.objects.into()
    }),
    Column::new("bytes in all", Holds::Bytes, Shown::Everywhere, |row| {
        row.bytes.into()
    }),
    Column::new("share", Holds::Share, Shown::Everywhere, |row| {
        share_of_new(row.bytes, row.all).into()
    }),
    Column::new("held by none", Holds::Count, Shown::Everywhere, |row| {
        row.unheld.into()
    }),
    Column::new("type", Holds::Text, Shown::Everywhere, |row| {
        (&row.name).into()
    }),
];

/// A variable, of all processes that have it.
#[derive(Default)]
pub(crate) struct GrownVariableRow {
    objects: u64,
    pub(crate) bytes: u64,
    pub(crate) path: String,
    pub(crate) type_name: String,
    pub(crate) entries: Option<u64>,
    all: u64,
}

pub(crate) const GROWN_VARIABLES: [Column<GrownVariableRow>; 6] = [
    Column::new("objects", Holds::Count, Shown::Everywhere, |row| {
        row.objects.into()
    }),
    Column::new("bytes in all", Holds::Bytes, Shown::Everywhere, |row| {
        row.bytes.into()
    }),
    Column::new("share", Holds::Share, Shown::Everywhere, |row| {
        share_of_new(row.bytes, row.all).into()
    }),
    Column::new("variable", Holds::Text, Shown::Everywhere, |row| {
        (&row.path).into()
    }),
    Column::new("type", Holds::Word, Shown::OnPage, |row| {
        (&row.type_name).into()
    }),
    Column::new("entries", Holds::Count, Shown::OnPage, |row| {
        row.entries.into()
    }),
];

fn share_of_new(bytes: u64, all: u64) -> f64 {
    bytes as f64 / all.max(1) as f64
}

/// Types of the processes together, most bytes first; `all` is their new memory, bytes.
pub(crate) fn rows_of_grown_types(types: &[GrownType], all: u64) -> Vec<GrownTypeRow> {
    let mut rows: Vec<GrownTypeRow> = Vec::new();
    for of_type in types {
        let name = printable(&of_type.name);
        let at = rows.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            rows.push(GrownTypeRow {
                name,
                all,
                ..GrownTypeRow::default()
            });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.objects = row.objects.saturating_add(of_type.objects);
        row.bytes = row.bytes.saturating_add(of_type.bytes);
        row.unheld = row.unheld.saturating_add(of_type.unheld_objects);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows
}

/// Variables of the processes together, most bytes first; `all` is their new memory, bytes.
pub(crate) fn rows_of_grown_variables(
    variables: &[GrownVariable],
    all: u64,
) -> Vec<GrownVariableRow> {
    let mut rows: Vec<GrownVariableRow> = Vec::new();
    for variable in variables {
        let path = printable(&variable.path);
        let type_name = variable.type_name.as_deref().map(printable);
        let type_name = type_name.unwrap_or_default();
        let is_same = |row: &GrownVariableRow| row.path == path && row.type_name == type_name;
        let at = rows.iter().position(is_same);
        let at = at.unwrap_or_else(|| {
            rows.push(GrownVariableRow {
                path,
                type_name,
                all,
                ..GrownVariableRow::default()
            });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.objects = row.objects.saturating_add(variable.objects);
        row.bytes = row.bytes.saturating_add(variable.bytes);
        row.entries = row.entries.max(variable.entries);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows
}
