//! What grew the heap, as JSON.

use serde::Serialize;

use crate::run::{Grower, Kind, NativeFrame, PythonFrame, Run, StackEnd};

#[derive(Serialize)]
pub(super) struct GrowerOut<'a> {
    process_id: u32,
    pid: Option<u32>,
    kind: &'static str,
    function: Option<&'a str>,
    module: Option<&'a str>,
    system_call: Option<u32>,
    system_call_name: Option<&'static str>,
    python: Option<Vec<&'a PythonFrame>>,
    python_end: Option<StackEnd>,
    native: Option<Vec<&'a NativeFrame>>,
    native_end: Option<StackEnd>,
    sampled_touches: u64,
    touched_pages_estimate: u64,
}

/// Who touched new memory first, by a sample.
pub(super) fn growers_out(run: &Run) -> Vec<GrowerOut<'_>> {
    let growers = run.growth.growers.iter();
    growers.map(|it| grower_out(run, it)).collect()
}

fn grower_out<'a>(run: &'a Run, grower: &'a Grower) -> GrowerOut<'a> {
    let (python, python_end) = run.python_in(grower.python_stack).unzip();
    let (native, native_end) = run.native_in(grower.native_stack).unzip();
    GrowerOut {
        process_id: grower.process_id,
        pid: run.process(grower.process_id).map(|process| process.pid),
        kind: grower.kind.map_or("unknown", Kind::name),
        function: grower.function.as_deref(),
        module: grower.module.as_deref(),
        system_call: grower.system_call,
        system_call_name: run.name_of_call(grower.system_call),
        python,
        python_end,
        native,
        native_end,
        sampled_touches: grower.sampled_touches,
        touched_pages_estimate: grower.pages,
    }
}
