//! Processes, regions, and what they run.

use super::{
    files,
    placeholders::{Placeholders, are_figures, replace_optional_text, replace_text},
    text,
};
use crate::run::{CommandLine, CopiedMemory, Mapping, Process, Region, Row, Sample, Timeline};

pub(super) fn redact_memory(memory: &mut CopiedMemory, names: &mut Placeholders) {
    let CopiedMemory {
        processes,
        regions,
        range_bytes: _,
        rows,
        timeline,
        command_lines,
        uncounted,
    } = memory;
    for process in processes {
        redact_process(process, names);
    }
    for region in regions {
        redact_region(region, names);
    }
    for Row {
        process_id: _,
        region_id: _,
        start: _,
        mapping,
        copied: _,
        reused_faults: _,
    } in rows
    {
        replace_optional_text(mapping, files::redact_mapping, names);
    }
    has_no_text(timeline);
    for CommandLine {
        process_id: _,
        text,
    } in command_lines
    {
        replace_text(text, text::redact_command_line, names);
    }
    are_figures(&*uncounted);
}

fn redact_process(process: &mut Process, names: &mut Placeholders) {
    let Process {
        id: _,
        pid: _,
        parent_id: _,
        comm,
        role: _,
        started_ns: _,
        exited_ns: _,
        exit,
        copied: _,
        reused_faults: _,
        inherited_pages: _,
        target: _,
    } = process;
    replace_text(comm, text::redact_program, names);
    are_figures(&*exit);
}

fn redact_region(region: &mut Region, names: &mut Placeholders) {
    let Region {
        id: _,
        process_id: _,
        mapping:
            Mapping {
                start: _,
                end: _,
                name,
                kind: _,
                perms,
                offset: _,
                resident_pages: _,
                anonymous_pages: _,
                huge_page_bytes: _,
                mergeable: _,
            },
        inheritors: _,
        inherited_pages: _,
        copied_pages: _,
        unshared_pages: _,
    } = region;
    replace_text(name, files::redact_mapping, names);
    replace_text(perms, text::redact_permissions, names);
}

/// A timeline has figures only.
fn has_no_text(timeline: &Timeline) {
    let Timeline {
        interval_ns: _,
        samples,
    } = timeline;
    for Sample {
        at_ns: _,
        copied_pages: _,
        reused_faults: _,
        by_process,
        touched_pages: _,
        held_by_process,
        touched_by_process,
    } in samples
    {
        for counts in [by_process, held_by_process, touched_by_process] {
            are_figures(counts.values());
        }
    }
}
