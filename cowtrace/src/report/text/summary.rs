//! The answer in sentences, and how it was measured.

use std::io::{self, Write};

use super::extent::Extent;
use crate::{
    run::Run,
    terminal::{Style, paragraph},
    verdict::{self, Card, held_most, who_wrote_most},
    words::{printable, shorten},
};

/// Longer labels are cut.
const MAX_LABEL: usize = 60;

/// Writes the answer, unless the first line is it, with who wrote and what holds it.
pub(super) fn write_answer(
    run: &Run,
    card: &Card,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let answer = card
        .is_verdict
        .then(|| format!("{}.", verdict::summary(run)));
    let sentences = answer.into_iter().chain(who_wrote_most(run));
    let sentences: Vec<String> = sentences.chain(held_most(run)).collect();
    if !sentences.is_empty() {
        writeln!(out)?;
    }
    sentences
        .iter()
        .try_for_each(|text| paragraph(text, style, out))
}

/// Writes how it was measured, with the other facts that belong to the answer.
pub(super) fn write_method(
    run: &Run,
    extent: Extent<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let facts = if extent.is_full() {
        verdict::facts(run)
    } else {
        verdict::main_facts(run)
    };
    let facts: Vec<String> = facts.into_iter().chain(labels(run)).collect();
    writeln!(out)?;
    paragraph(&facts.join(" "), style, out)
}

fn labels(run: &Run) -> Option<String> {
    let label = |(key, value): (&String, &String)| {
        let text = format!("{key}={value}");
        shorten(&printable(&text), MAX_LABEL)
    };
    let labels: Vec<String> = run.head.labels.iter().map(label).collect();
    (!labels.is_empty()).then(|| format!("Labels: {}.", labels.join(", ")))
}
