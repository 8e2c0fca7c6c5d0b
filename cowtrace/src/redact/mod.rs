//! A run for strangers: names of what ran are replaced by placeholders, figures stay.
//!
//! What stays is listed in [`public`]: names that are the same everywhere. Everything else that is text goes, so that
//! a name that nobody thought of is replaced rather than shown. Each struct of a run is taken apart with all of its
//! fields by name: a field added later does not compile here before someone has decided about it.

mod files;
mod growth;
mod machine;
mod memory;
mod placeholders;
mod public;
mod text;
mod who;

use placeholders::{PlaceholderKind, Placeholders, are_figures, replace_text};

use crate::run::{Head, Host, Run, TracedTarget, UntracedDonor};

/// Replaces all names in a run. Equal names stay equal.
pub fn redact_run(run: &mut Run) {
    let mut names = Placeholders::default();
    let Run {
        head,
        memory,
        growth,
        machine,
        who_wrote,
        who_holds,
        loss,
    } = run;
    // First what reports are about, so that it gets the lowest numbers.
    who::redact_holders(who_holds, &mut names);
    who::redact_writers(who_wrote, &mut names);
    growth::redact_growth(growth, &mut names);
    redact_head(head, &mut names);
    memory::redact_memory(memory, &mut names);
    machine::redact_machine(machine, &mut names);
    are_figures([&*loss]);
}

fn redact_head(head: &mut Head, names: &mut Placeholders) {
    let Head {
        tool_version,
        host,
        id,
        started_at,
        duration_ns: _,
        unfinished: _,
        backend,
        unseen,
        rejected,
        targets,
        untraced_donors,
        traced_targets,
        labels,
    } = head;
    replace_text(tool_version, text::redact_version, names);
    redact_host(host, names);
    replace_text(id, text::redact_id, names);
    replace_text(started_at, text::redact_date, names);
    replace_text(backend, text::redact_backend, names);
    for what in unseen {
        replace_text(what, text::redact_message, names);
    }
    for (backend, reason) in rejected {
        replace_text(backend, text::redact_backend, names);
        replace_text(reason, text::redact_message, names);
    }
    are_figures(&*targets);
    for UntracedDonor {
        pid: _,
        donor_pid: _,
        donor_comm,
        is_parent: _,
    } in untraced_donors
    {
        replace_text(donor_comm, text::redact_program, names);
    }
    for TracedTarget { name, what } in traced_targets {
        replace_text(name, text::redact_target_name, names);
        replace_text(what, text::redact_target, names);
    }
    *labels = std::mem::take(labels)
        .into_iter()
        .map(|(key, value)| {
            let key = names.instead_of(&key, PlaceholderKind::Label);
            (key, names.instead_of(&value, PlaceholderKind::Value))
        })
        .collect();
}

fn redact_host(host: &mut Host, names: &mut Placeholders) {
    let Host {
        kernel,
        arch,
        page_bytes: _,
        cpus: _,
    } = host;
    replace_text(kernel, text::redact_version, names);
    replace_text(arch, text::redact_architecture, names);
}
