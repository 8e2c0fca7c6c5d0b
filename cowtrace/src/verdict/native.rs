//! What is missing from native stacks.

use crate::{
    run::{NativeFrame, Run, StackEnd},
    words::percent,
};

/// Writers whose callers are not all known; none if all are.
pub(crate) fn note_on_native_stacks(run: &Run, recorded: u64) -> Option<String> {
    let share = |is_it: fn(&[&NativeFrame], StackEnd) -> bool| {
        let of_it = run.who_wrote.writers.iter().filter(|writer| {
            let stack = run.native_of(writer);
            stack.is_some_and(|(frames, end)| is_it(&frames, end))
        });
        let pages: u64 = of_it.map(|writer| writer.copied_pages).sum();
        pages as f64 / recorded as f64
    };
    let without = share(|frames, end| end == StackEnd::Lost && !has_caller(frames));
    let in_part = share(|frames, end| {
        let is_whole = end != StackEnd::Lost && frames.iter().all(|it| it.function.is_some());
        has_caller(frames) && !is_whole
    });
    (without + in_part > 0.0).then(|| {
        format!(
            "Callers are found by frame pointers: for {} of the copies none is known, for {} not \
             all. Code that is built without frame pointers hides who called it.",
            percent(without),
            percent(in_part),
        )
    })
}

/// Whether more than the writing function is known.
fn has_caller(frames: &[&NativeFrame]) -> bool {
    frames.iter().filter(|frame| !frame.inlined).count() > 1
}
