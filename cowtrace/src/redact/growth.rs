//! What memory grew by besides copies.

use super::{
    placeholders::{Placeholders, are_figures, replace_optional_text, replace_text},
    text,
    who::redact_code,
};
use crate::run::{Grower, Grown, GrownHeap, GrownType, GrownVariable, Growth};

pub(super) fn redact_growth(growth: &mut Growth, names: &mut Placeholders) {
    let Growth {
        first_touches,
        held_before,
        balances,
        growers,
        grown,
    } = growth;
    are_figures(&*first_touches);
    are_figures(&*held_before);
    are_figures(&*balances);
    for Grower {
        process_id: _,
        kind: _,
        function,
        module,
        system_call: _,
        python_stack: _,
        native_stack: _,
        sampled_touches: _,
        pages: _,
    } in growers
    {
        redact_code(function, module, names);
    }
    redact_grown(grown, names);
}

fn redact_grown(grown: &mut Grown, names: &mut Placeholders) {
    let Grown {
        heaps,
        types,
        variables,
    } = grown;
    for heap in heaps {
        redact_heap(heap, names);
    }
    for GrownType {
        process_id: _,
        name,
        is_container: _,
        objects: _,
        bytes: _,
        unheld_objects: _,
        unheld_bytes: _,
    } in types
    {
        replace_text(name, text::redact_words, names);
    }
    for GrownVariable {
        process_id: _,
        path,
        type_name,
        entries: _,
        objects: _,
        bytes: _,
    } in variables
    {
        replace_text(path, text::redact_words, names);
        replace_optional_text(type_name, text::redact_words, names);
    }
}

fn redact_heap(heap: &mut GrownHeap, names: &mut Placeholders) {
    let GrownHeap {
        process_id: _,
        new_pages: _,
        read_pages: _,
        objects: _,
        bytes: _,
        unheld_objects: _,
        unheld_bytes: _,
        cyclic_objects: _,
        held_bytes: _,
        collects: _,
        is_partial: _,
        duration_ns: _,
        failure,
    } = heap;
    replace_optional_text(failure, text::redact_message, names);
}
