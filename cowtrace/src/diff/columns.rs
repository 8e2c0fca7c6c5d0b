//! The columns of a table of changes, once for the text and the page: their titles, and what a change
//! has in them.

use super::{
    statistics::{Change, Finding},
    words::{bytes, relative, signed},
};

/// A column of figures.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Its class on the page; empty if it has none.
    pub(super) class: &'static str,
    pub(super) figure: fn(&Change) -> String,
}

/// What both show, before what a row is about.
pub(super) const FIGURES: [Column; 4] = [
    Column {
        title: "BASE",
        class: "",
        figure: |change| bytes(change.base.median),
    },
    Column {
        title: "NEW",
        class: "",
        figure: |change| bytes(change.new.median),
    },
    Column {
        title: "change",
        class: "",
        figure: |change| signed(change.difference()),
    },
    Column {
        title: "",
        class: "relative",
        figure: relative,
    },
];

/// What only the page has room for, after its bars.
pub(super) const CHANCE: Column = Column {
    title: "by chance in",
    class: "seen",
    figure: seen,
};

/// What the runs allow to say of a row.
fn seen(change: &Change) -> String {
    let odds = change.evidence.as_ref().map(|it| it.chance.either());
    match (change.finding, odds) {
        (Finding::NoneSeen, _) => "no difference".into(),
        (Finding::NoiseUnknown, _) => "noise unknown".into(),
        (_, Some(odds)) => format!("{:.1} %", odds * 100.0),
        (_, None) => String::new(),
    }
}
