//! What is missing from Python stacks.

use cowtrace_common::python::MAX_FRAMES;

use crate::{
    run::{Run, StackEnd, Writer},
    words::percent,
};

/// Writers whose callers are not all known; none if all are.
pub(crate) fn note_on_python_stacks(run: &Run, recorded: u64) -> Option<String> {
    let is_cut = |writer: &&Writer| {
        run.python_of(writer)
            .is_some_and(|(_, end)| end != StackEnd::Outermost)
    };
    let cut = run.who_wrote.writers.iter().filter(is_cut);
    let pages: u64 = cut.map(|writer| writer.copied_pages).sum();
    (pages > 0).then(|| {
        format!(
            "For {} of the copies the outer Python calls are not known: the {MAX_FRAMES} innermost \
             are kept, as far as their code can be read.",
            percent(pages as f64 / recorded as f64)
        )
    })
}
