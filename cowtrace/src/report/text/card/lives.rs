//! What workers grow by until they are replaced, and what masters loaded before they forked, on the card.

use super::super::rows::{LabelledRow, RowFigures, text_row};
use crate::{
    verdict::{Card, GrowthOfLives},
    words::{count, plural, seconds, size},
};

/// Whose growth is described by the middles of a life's fifths: the first, the third and the last one.
const SHOWN: [usize; 3] = [0, 2, 4];

/// The rows about workers that are replaced: by their age, and what bounds it; in one line if that is an aside.
pub(super) fn rows_of_lives<'a>(card: &Card) -> Vec<LabelledRow<'a>> {
    let Some((lives, is_main)) = &card.lives else {
        return Vec::new();
    };
    let row = |label, text| text_row(label, 0, RowFigures::Nothing, text);
    if *is_main {
        vec![
            row("how far", growth_by_age(lives)),
            row("how far", bound_in_words(lives)),
        ]
    } else {
        let text = format!(
            "each worker grows by about {} until it is replaced ({} so far)",
            size(lives.bytes),
            count(lives.replaced)
        );
        vec![row("also", text)]
    }
}

/// `5 MiB at an age of 0.8 s, 25 MiB at 4.0 s, 45 MiB at 7.2 s`.
fn growth_by_age(lives: &GrowthOfLives) -> String {
    let parts = lives.by_age.len() as u64 * 2;
    let at = |part: usize| {
        let age = lives.life_ns / parts * (part as u64 * 2 + 1);
        (size(lives.by_age[part]), seconds(age))
    };
    let [(young, at_first), (middle, later), (old, at_last)] = SHOWN.map(at);
    format!("{young} at an age of {at_first}, {middle} at {later}, {old} at {at_last}")
}

/// What bounds it.
fn bound_in_words(lives: &GrowthOfLives) -> String {
    let workers = plural(lives.living.max(1), "worker");
    let all = size(lives.bytes.saturating_mul(lives.living.max(1)));
    format!("replacing them bounds it: about {all} at most in {workers}")
}

/// What masters had loaded before they forked.
pub(super) fn row_of_loaded<'a>(card: &Card) -> Option<LabelledRow<'a>> {
    card.loaded_bytes.map(|bytes| {
        let text = format!(
            "{} loaded before the first fork, which is no growth",
            size(bytes)
        );
        text_row("start", 7, RowFigures::Nothing, text)
    })
}
