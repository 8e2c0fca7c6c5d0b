//! The machine, and who else is on it.

use super::{
    files,
    placeholders::{Placeholders, are_figures, replace_optional_text, replace_text},
    text,
};
use crate::run::{
    Consumer, Elsewhere, GrownProcess, KilledBy, Machine, MemoryKill, NearestLimit, PlaceOnMachine,
};

pub(super) fn redact_machine(machine: &mut Machine, names: &mut Placeholders) {
    let Machine {
        readings,
        place,
        elsewhere,
        kills,
    } = machine;
    are_figures(&*readings);
    if let Some(PlaceOnMachine {
        cgroup,
        is_alone: _,
        limit,
    }) = place
    {
        replace_optional_text(cgroup, files::redact_cgroup, names);
        if let Some(NearestLimit {
            limit_bytes: _,
            usage_bytes: _,
            file_bytes: _,
            cgroup,
        }) = limit
        {
            replace_optional_text(cgroup, files::redact_cgroup, names);
        }
    }
    if let Some(elsewhere) = elsewhere {
        redact_elsewhere(elsewhere, names);
    }
    for MemoryKill { process_id: _, by } in kills {
        match by {
            KilledBy::Limit {
                cgroup,
                limit_bytes: _,
            } => replace_optional_text(cgroup, files::redact_cgroup, names),
            KilledBy::Machine => {}
        }
    }
}

fn redact_elsewhere(elsewhere: &mut Elsewhere, names: &mut Placeholders) {
    let Elsewhere {
        growers,
        grown_pages: _,
        processes: _,
        is_partial: _,
    } = elsewhere;
    for GrownProcess {
        consumer:
            Consumer {
                pid: _,
                started_ticks: _,
                name,
                anonymous_pages: _,
            },
        grown_pages: _,
        is_new: _,
    } in growers
    {
        replace_text(name, text::redact_program, names);
    }
}
