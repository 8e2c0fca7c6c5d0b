//! What stands above the table, in words and figures.

use crate::{
    run::{Role, Run},
    verdict::{Glance, losses},
    words::{plural, printable, program_of, size},
};

/// The facts of a run.
#[derive(Default)]
pub(super) struct Facts {
    /// What is traced.
    pub(super) target: String,
    /// Time since the trace began, ns.
    pub(super) elapsed_ns: u64,
    pub(super) backend: String,
    /// The answer.
    pub(super) headline: String,
    /// Bytes copied between one sample and the next, oldest first.
    pub(super) rates: Vec<u64>,
    /// Copied in the last of them, bytes a second.
    pub(super) rate: u64,
    /// Copied in all, bytes.
    pub(super) copied: u64,
    /// What living workers no longer share, of what they inherited, bytes.
    pub(super) how_far: Option<(u64, u64)>,
    /// Causes of losses, in words.
    pub(super) lost: Vec<String>,
    /// Whether totals may be too low because of them.
    pub(super) totals_suffer: bool,
}

impl Facts {
    pub(super) fn of(run: &Run) -> Self {
        let glance = Glance::of(run);
        let samples = &run.memory.timeline.samples;
        let steps = samples.windows(2).map(|pair| {
            let pages = pair[1].copied_pages.saturating_sub(pair[0].copied_pages);
            let ns = pair[1].at_ns.saturating_sub(pair[0].at_ns).max(1);
            let a_second = u128::from(run.bytes(pages)) * 1_000_000_000 / u128::from(ns);
            u64::try_from(a_second).unwrap_or(u64::MAX)
        });
        let rates: Vec<u64> = steps.collect();
        let how_far = glance.outlook.as_ref();
        Self {
            target: target(run),
            elapsed_ns: run.head.duration_ns,
            backend: run.head.backend.clone(),
            rate: rates.last().copied().unwrap_or(0),
            rates,
            copied: run.bytes(run.copied().total()),
            how_far: how_far.map(|it| (it.unshared_bytes, it.ceiling_bytes)),
            headline: glance.headline,
            lost: losses(run),
            totals_suffer: run.loss.happened().any(|(cause, _)| cause.totals_suffer),
        }
    }

    /// `12 MiB/s`.
    pub(super) fn rate_in_words(&self) -> String {
        format!("{}/s", size(self.rate))
    }
}

/// `gunicorn (4242)`, `shop: gunicorn (4242) and 2 others`; where no master lives, what is waited for.
fn target(run: &Run) -> String {
    let masters = run.memory.processes.iter();
    let mut masters = masters.filter(|it| it.role == Role::Master && it.exited_ns.is_none());
    let Some(first) = masters.next() else {
        return without_master(run);
    };
    let name = format!(
        "{}{} ({})",
        given_names(run),
        program_of(run, first),
        first.pid
    );
    match masters.count() as u64 {
        0 => name,
        others => format!("{name} and {}", plural(others, "other")),
    }
}

/// `shop, jobs: `: the names that the user gave to what is traced. Those made from what it is say nothing more.
fn given_names(run: &Run) -> String {
    let targets = run.head.traced_targets.iter();
    let given = targets.filter(|it| !it.what.contains(&it.name));
    let names: Vec<String> = given.map(|it| printable(&it.name)).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("{}: ", names.join(", "))
    }
}

fn without_master(run: &Run) -> String {
    let names: Vec<String> = run
        .head
        .traced_targets
        .iter()
        .map(|it| printable(&it.name))
        .collect();
    let what = if run.memory.processes.is_empty() {
        "no process yet"
    } else {
        "every master has ended"
    };
    if names.is_empty() {
        what.into()
    } else {
        format!("{}: {what}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Process, Sources, TracedTarget, arbitrary};

    #[test]
    fn a_name_that_the_user_gave_stands_before_the_program() {
        let mut run = arbitrary::empty();
        run.memory.processes = vec![Process {
            id: 0,
            pid: 4242,
            parent_id: None,
            comm: "gunicorn".into(),
            role: Role::Master,
            started_ns: 0,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: None,
            target: Some(0),
        }];
        for (name, what, told) in [
            ("shop", "unit web.service", "shop: gunicorn (4242)"),
            ("web", "unit web.service", "gunicorn (4242)"),
            ("4242", "pid 4242", "gunicorn (4242)"),
            ("gunicorn", "command gunicorn app:app", "gunicorn (4242)"),
            ("a\u{1b}[2J", "pid 4242", "a\\u{1b}[2J: gunicorn (4242)"),
        ] {
            run.head.traced_targets = vec![TracedTarget {
                name: name.into(),
                what: what.into(),
            }];
            assert_eq!(target(&run), told);
        }
    }
}
