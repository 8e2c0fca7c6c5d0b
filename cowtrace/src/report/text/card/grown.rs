//! What the new memory is, on the card.

use super::super::rows::{LabelledRow, RowFigures};
use crate::{
    terminal::wrap,
    verdict::{GrownPart, WhatGrows, WhatPartIs},
    words::{count, percent, plural, shorten, size},
};

const MOST_PARTS: usize = 3;
const NATIVE: &str = "native memory: no Python objects on its pages";
const NEARLY_EMPTY: &str =
    "pages with few objects: kept by the allocator, or native memory (cannot tell which)";

/// The rows, most memory first; without bytes if other processes have new memory too.
pub(super) fn rows_of_grown(grown: &WhatGrows, is_all: bool) -> Vec<LabelledRow<'_>> {
    let mut rows = Vec::new();
    for (rank, part) in [0, 2, 4]
        .into_iter()
        .zip(grown.parts.iter().take(MOST_PARTS))
    {
        rows.push(row_of_part(part, rank, is_all));
        if let WhatPartIs::Unheld { types, .. } = &part.is {
            rows.push(row_of_text(
                rank,
                RowFigures::Nothing,
                types_and_collector(types, grown),
            ));
        }
    }
    rows
}

fn row_of_part(part: &GrownPart, rank: u8, is_all: bool) -> LabelledRow<'_> {
    let row = |text: String| row_of_text(rank, figures_of_part(part, is_all), text);
    match &part.is {
        WhatPartIs::Variable {
            path,
            type_name,
            entries,
        } => LabelledRow::new("what", rank, figures_of_part(part, is_all), move |room| {
            let kind = type_name.as_deref().unwrap_or_default();
            let what = match entries {
                Some(entries) => format!("{kind} x{}", count(*entries)),
                None => kind.to_owned(),
            };
            let both = format!("{path}  {what}");
            if both.chars().count() <= room {
                return vec![both];
            }
            vec![shorten(path, room), shorten(&format!("  {what}"), room)]
        }),
        WhatPartIs::Unheld {
            objects,
            are_cycles,
            ..
        } => {
            let objects = plural(*objects, "object");
            row(if *are_cycles {
                format!("{objects} that nothing holds: reference cycles")
            } else {
                format!("{objects} that no variable was found to hold")
            })
        }
        WhatPartIs::Native => row(NATIVE.into()),
        WhatPartIs::NearlyEmpty => row(NEARLY_EMPTY.into()),
    }
}

fn row_of_text<'a>(rank: u8, figures: RowFigures, text: String) -> LabelledRow<'a> {
    LabelledRow::new("what", rank, figures, move |room| wrap(&text, room))
}

fn figures_of_part(part: &GrownPart, is_all: bool) -> RowFigures {
    let share = percent(part.share);
    if is_all {
        RowFigures::ShareAndSize(share, size(part.bytes))
    } else {
        RowFigures::Share(share)
    }
}

/// `list 50 %, bytes 50 %; the collector is off in 3 of 3 processes`.
fn types_and_collector(types: &[(String, f64)], grown: &WhatGrows) -> String {
    let types = types.iter();
    let mut text = types
        .map(|(name, share)| format!("{} {}", shorten(name, 32), percent(*share)))
        .collect::<Vec<_>>()
        .join(", ");
    if grown.collectors_known > 0 {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&format!("the collector is {}", grown.collectors_in_words()));
    }
    text
}
