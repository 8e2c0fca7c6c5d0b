//! What helps, on the card.

use super::super::rows::{LabelledRow, RowFigures, text_row};
use crate::{verdict::Advice, words::size};

const MOST_ADVICE: usize = 2;

/// What helps, and how to check that it did.
pub(super) fn rows_of_advice<'a>(advice: &'a [Advice], check: &str) -> Vec<LabelledRow<'a>> {
    let has_bound = |it: &&Advice| it.saves_at_most_bytes.is_some();
    let helping = advice.iter().filter(has_bound).filter(|it| it.helps);
    let vain = advice.iter().filter(has_bound).find(|it| !it.helps);
    let row = |rank: u8, it: &Advice| {
        let most = size(it.saves_at_most_bytes.unwrap_or(0));
        let text = if it.helps {
            it.what.clone()
        } else {
            format!("{} would not help{}", it.what, it.would_change)
        };
        let figures = RowFigures::Words(format!("at most {most}"));
        text_row("helps", rank, figures, text)
    };
    let mut rows: Vec<LabelledRow<'_>> = [0, 4]
        .into_iter()
        .zip(helping.take(MOST_ADVICE))
        .map(|(rank, it)| row(rank, it))
        .collect();
    let is_checked = !rows.is_empty();
    rows.extend(vain.map(|it| row(5, it)));
    if is_checked {
        let check = check.to_owned();
        rows.push(text_row("check", 6, RowFigures::Nothing, check));
    }
    rows
}
