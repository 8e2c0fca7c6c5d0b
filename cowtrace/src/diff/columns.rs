//! The columns of a table of changes, for both text and HTML: their titles, and how they show a
//! change.

use super::{
    statistics::{Change, Finding},
    words::{bytes_in_words, relative_change, signed_bytes},
};

/// A column of figures.
pub(super) struct ChangeColumn {
    pub(super) title: &'static str,
    /// Its CSS class on the page; empty if it has none.
    pub(super) class: &'static str,
    pub(super) figure: fn(&Change) -> String,
}

/// Columns of both formats, left of the row's name.
pub(super) const FIGURES: [ChangeColumn; 4] = [
    ChangeColumn {
        title: "BASE",
        class: "",
        figure: |change| bytes_in_words(change.base.median),
    },
    ChangeColumn {
        title: "NEW",
        class: "",
        figure: |change| bytes_in_words(change.new.median),
    },
    ChangeColumn {
        title: "change",
        class: "",
        figure: |change| signed_bytes(change.difference()),
    },
    ChangeColumn {
        title: "",
        class: "relative",
        figure: relative_change,
    },
];

/// Columns of the HTML page only, right of its bars.
pub(super) const CHANCE: ChangeColumn = ChangeColumn {
    title: "by chance in",
    class: "seen",
    figure: what_runs_say,
};

/// The finding: what the runs can show about a row.
fn what_runs_say(change: &Change) -> String {
    let odds = change.evidence.as_ref().map(|it| it.chance.either());
    match (change.finding, odds) {
        (Finding::NoneSeen, _) => "no difference".into(),
        (Finding::NoiseUnknown, _) => "noise unknown".into(),
        (_, Some(odds)) => format!("{:.1} %", odds * 100.0),
        (_, None) => String::new(),
    }
}
