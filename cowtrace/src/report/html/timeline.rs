//! Copied pages over time, by process.

use serde::Serialize;

use crate::{
    run::{Process, Run, Sample},
    words::{plural, what_runs},
};

/// Processes with a band of their own: a palette that everybody can distinguish has no more
/// colours.
const MOST_BANDS: usize = 7;
/// Most points in time: more than a screen can show.
const MOST_POINTS: usize = 400;

#[derive(Serialize)]
pub(super) struct PageTimeline {
    /// Times of the points, ns since the start.
    pub(super) at_ns: Vec<u64>,
    /// From the lowest to the highest.
    pub(super) bands: Vec<Band>,
    /// What is not part of the stack.
    pub(super) line: Option<Band>,
    /// Whether the last band stands for all other processes.
    pub(super) has_others: bool,
    /// What was left out; empty if nothing.
    pub(super) note: String,
}

#[derive(Serialize)]
pub(super) struct Band {
    pub(super) name: String,
    /// Pages at each point.
    pub(super) pages: Vec<u64>,
}

pub(super) fn timeline_of_run(run: &Run) -> PageTimeline {
    let samples = points(&run.memory.timeline.samples);
    let mut copiers: Vec<&Process> = run
        .memory
        .processes
        .iter()
        .filter(|process| process.copied.total() > 0)
        .collect();
    copiers.sort_by_key(|process| (std::cmp::Reverse(process.copied.total()), process.id));
    let own = if copiers.len() > MOST_BANDS + 1 {
        MOST_BANDS
    } else {
        copiers.len()
    };
    let mut bands: Vec<Band> = copiers[..own]
        .iter()
        .map(|it| band_of_process(run, it, &samples))
        .collect();
    if copiers.len() > own {
        bands.push(band_of_others(copiers.len() - own, &bands, &samples));
    }
    let merged = run.memory.timeline.samples.len() - samples.len();
    PageTimeline {
        at_ns: samples.iter().map(|sample| sample.at_ns).collect(),
        has_others: bands.len() > own,
        bands,
        line: None,
        note: if merged > 0 {
            match merged {
                1 => "1 sample in between is left out.".into(),
                more => format!("{} in between are left out.", plural(more as u64, "sample")),
            }
        } else {
            String::new()
        },
    }
}

/// Samples at equal distances, and the last one.
pub(super) fn points<S>(samples: &[S]) -> Vec<&S> {
    at_most(samples, MOST_POINTS)
}

/// The same, of which there are no more than `most`.
pub(super) fn at_most<S>(samples: &[S], most: usize) -> Vec<&S> {
    let step = samples.len().div_ceil(most).max(1);
    let last = samples.len().wrapping_sub(1);
    let is_kept = |index: usize| (last - index).is_multiple_of(step);
    let indexed = samples.iter().enumerate();
    indexed
        .filter_map(|(index, sample)| is_kept(index).then_some(sample))
        .collect()
}

fn band_of_process(run: &Run, process: &Process, samples: &[&Sample]) -> Band {
    let pages = |sample: &&Sample| sample.by_process.get(&process.id).copied().unwrap_or(0);
    Band {
        name: format!("{} {}", process.pid, what_runs(run, process)),
        pages: samples.iter().map(pages).collect(),
    }
}

fn band_of_others(number: usize, bands: &[Band], samples: &[&Sample]) -> Band {
    let rest = |(index, sample): (usize, &&Sample)| {
        let told: u64 = bands.iter().map(|band| band.pages[index]).sum();
        sample.copied_pages.saturating_sub(told)
    };
    Band {
        name: plural(number as u64, "other process"),
        pages: samples.iter().enumerate().map(rest).collect(),
    }
}
