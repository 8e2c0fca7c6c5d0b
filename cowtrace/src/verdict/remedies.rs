//! All advice: about new memory that keeps growing, and about copies.

use super::{
    advice::advice_on_copies,
    advice_item::Advice,
    grown::WhatGrows,
    growth::{TreeGrowth, growth_of_tree},
};
use crate::run::Run;

/// The paragraphs of the advice that helps; nothing if little is copied.
pub(crate) fn advice(run: &Run) -> Vec<String> {
    let all = advice_by_cause(run).into_iter();
    all.filter(|it| it.helps).map(|it| it.because).collect()
}

/// The advice, one for each cause that matters: about new memory that keeps growing, then about copies.
pub(crate) fn advice_by_cause(run: &Run) -> Vec<Advice> {
    let growth = growth_of_tree(run);
    let mut all: Vec<Advice> = advice_on_growth(run, growth.as_ref()).into_iter().collect();
    all.extend(advice_on_copies(run));
    all
}

/// The advice about new memory, where it keeps growing, or may, and what grows is known.
pub(super) fn advice_on_growth(run: &Run, growth: Option<&TreeGrowth>) -> Option<Advice> {
    let growth = growth.filter(|growth| growth.kind.may_keep_growing())?;
    WhatGrows::of(run)?.advice(growth.new_bytes)
}
