//! What the new memory is, on the card.

use super::{LabelledRow, RowFigures, text_row};
use crate::{
    verdict::{GrownPart, WhatGrows, WhatPartIs},
    words::{count, percent, plural, shorten, size},
};

const MOST_PARTS: usize = 3;
const NATIVE: &str = "native memory: no Python objects on its pages";
const NEARLY_EMPTY: &str =
    "pages with few objects: kept by the allocator, or native memory (cannot tell which)";

/// The rows, most memory first.
pub(super) fn rows_of_grown(grown: &WhatGrows) -> Vec<LabelledRow<'_>> {
    let mut rows = Vec::new();
    for (rank, part) in [0, 2, 4]
        .into_iter()
        .zip(grown.parts.iter().take(MOST_PARTS))
    {
        rows.push(row_of_part(part, rank));
        if let WhatPartIs::Unheld { types, .. } = &part.is {
            rows.push(text_row(
                "what",
                rank + 1,
                RowFigures::Nothing,
                types_and_collector(types, grown),
            ));
        }
    }
    rows
}

fn row_of_part(part: &GrownPart, rank: u8) -> LabelledRow<'_> {
    let row = |text: String| text_row("what", rank, figures_of(part), text);
    match &part.is {
        WhatPartIs::Variable {
            path,
            type_name,
            entries,
        } => LabelledRow::new("what", rank, figures_of(part), move |room| {
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

fn figures_of(part: &GrownPart) -> RowFigures {
    RowFigures::ShareAndSize(percent(part.share), size(part.bytes))
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
