//! The answer, and the facts that belong to it.

use std::io::{self, Write};

use crate::{
    run::Run,
    terminal::{Style, heading, paragraph},
    verdict::{self, held_most, who_wrote_most},
    words::{printable, shorten},
};

/// Longer labels are cut.
const MAX_LABEL: usize = 60;

/// Writes the section.
pub(super) fn summary(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let answer = format!("{}.", verdict::summary(run));
    match verdict::verdict_in_words(run) {
        Some(verdict) => {
            heading(&verdict, style, out)?;
            paragraph(&answer, style, out)?;
        }
        None => heading(&answer, style, out)?,
    }
    for text in who_wrote_most(run).iter().chain(&held_most(run)) {
        paragraph(text, style, out)?;
    }
    let facts: Vec<String> = verdict::facts(run).into_iter().chain(labels(run)).collect();
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
