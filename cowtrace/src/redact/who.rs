//! Who wrote, and which variables hold what was copied.

use super::{
    files,
    placeholders::{Placeholders, are_figures, replace_optional_text, replace_text},
    text,
};
use crate::run::{
    AlsoHeld, CopiedType, ExportedNeighbour, HeapWalk, Holder, NativeFrame, PageNeighbour,
    PerfMapProblem, PythonFrame, Saving, Stack, StrippedFile, UnnamedFunction, WhoHolds, WhoWrote,
    Writer,
};

pub(super) fn redact_writers(who: &mut WhoWrote, names: &mut Placeholders) {
    let WhoWrote {
        writers,
        python_frames,
        python_stacks,
        native_frames,
        native_stacks,
        perf_map_problems,
        unnamed_functions,
        stripped_files,
    } = who;
    for writer in writers {
        redact_writer(writer, names);
    }
    for frame in python_frames {
        redact_python_frame(frame, names);
    }
    for NativeFrame {
        function,
        module,
        inlined: _,
    } in native_frames
    {
        redact_code(function, module, names);
    }
    for Stack { frames, end: _ } in python_stacks.iter().chain(&*native_stacks) {
        are_figures(frames);
    }
    for PerfMapProblem { pid: _, problem } in perf_map_problems {
        replace_text(problem, text::redact_message, names);
    }
    for function in &mut *unnamed_functions {
        redact_unnamed(function, names);
    }
    for file in &mut *stripped_files {
        redact_stripped(file, names);
    }
    // They are looked up in order.
    unnamed_functions.sort_by(|one, other| one.function.cmp(&other.function));
    stripped_files.sort_by(|one, other| one.module.cmp(&other.module));
}

fn redact_writer(writer: &mut Writer, names: &mut Placeholders) {
    let Writer {
        kind: _,
        type_name,
        function,
        module,
        inlined,
        system_call: _,
        region_id: _,
        python_stack: _,
        native_stack: _,
        store: _,
        copied_pages: _,
    } = writer;
    replace_optional_text(type_name, text::redact_words, names);
    for function in inlined {
        *function = text::redact_native_function(function, module.as_deref(), names);
    }
    redact_code(function, module, names);
}

/// Native code: its function, and the file that it is in.
pub(super) fn redact_code(
    function: &mut Option<String>,
    module: &mut Option<String>,
    names: &mut Placeholders,
) {
    if let Some(function) = function {
        *function = text::redact_native_function(function, module.as_deref(), names);
    }
    replace_optional_text(module, files::redact_file, names);
}

fn redact_python_frame(frame: &mut PythonFrame, names: &mut Placeholders) {
    let PythonFrame {
        function,
        file,
        line: _,
    } = frame;
    if !files::is_standard_file(file) {
        replace_text(function, text::redact_words, names);
    }
    replace_text(file, files::redact_path, names);
}

fn redact_unnamed(unnamed: &mut UnnamedFunction, names: &mut Placeholders) {
    let UnnamedFunction {
        function,
        module,
        before,
        after,
        part: _,
    } = unnamed;
    for ExportedNeighbour {
        function,
        functions_apart: _,
    } in before.iter_mut().chain(after)
    {
        *function = text::redact_native_function(function, Some(module), names);
    }
    *function = text::redact_native_function(function, Some(module), names);
    replace_text(module, files::redact_file, names);
}

/// What leads to the debug symbols of a file stays if the file is public.
fn redact_stripped(file: &mut StrippedFile, names: &mut Placeholders) {
    let StrippedFile {
        module,
        build_id,
        package,
        distribution,
        is_in_container: _,
    } = file;
    if !files::is_public_file(module) {
        *build_id = None;
        *package = None;
    }
    replace_optional_text(build_id, text::redact_build_id, names);
    replace_optional_text(package, text::redact_package, names);
    replace_optional_text(distribution, text::redact_distribution, names);
    replace_text(module, files::redact_file, names);
}

pub(super) fn redact_holders(who: &mut WhoHolds, names: &mut Placeholders) {
    let WhoHolds {
        holders,
        heap_walks,
    } = who;
    for holder in holders {
        redact_holder(holder, names);
    }
    for walk in heap_walks {
        redact_walk(walk, names);
    }
}

fn redact_holder(holder: &mut Holder, names: &mut Placeholders) {
    let Holder {
        process_id: _,
        path,
        type_name,
        entries: _,
        copied_pages: _,
        copied_types,
        also_held_by,
        saving,
    } = holder;
    replace_text(path, text::redact_words, names);
    replace_optional_text(type_name, text::redact_words, names);
    for CopiedType {
        type_name,
        copied_pages: _,
    } in copied_types
    {
        replace_text(type_name, text::redact_words, names);
    }
    for AlsoHeld {
        path,
        copied_pages: _,
    } in also_held_by
    {
        replace_text(path, text::redact_words, names);
    }
    if let Some(saving) = saving {
        redact_saving(saving, names);
    }
}

fn redact_saving(saving: &mut Saving, names: &mut Placeholders) {
    let Saving {
        pages_with: _,
        pages_alone: _,
        saved_pages: _,
        saved_together_pages: _,
        is_sampled: _,
        shares_with,
    } = saving;
    for PageNeighbour { path, pages: _ } in shares_with {
        replace_text(path, text::redact_words, names);
    }
}

fn redact_walk(walk: &mut HeapWalk, names: &mut Placeholders) {
    let HeapWalk {
        process_id: _,
        read_process_id: _,
        asked_pages: _,
        held_pages: _,
        by_page: _,
        free,
        objects: _,
        bytes_read: _,
        duration_ns: _,
        is_partial: _,
        is_compared: _,
        at_ns: _,
        has_changed: _,
        failure,
        freeze,
        reading,
    } = walk;
    are_figures(&*free);
    are_figures(&*freeze);
    are_figures(&*reading);
    replace_optional_text(failure, text::redact_message, names);
}
