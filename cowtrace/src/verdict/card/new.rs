//! In which processes new memory is.

use std::collections::BTreeSet;

use crate::{
    run::{Role, Run},
    verdict::growth::WhereNew,
    words::{cut, plural, role_in_words, size, what_runs},
};

/// Longer names of processes are cut.
const MAX_NAME: usize = 32;

/// `in worker 4250 (python3)`, `in 4 workers, 50.0 MiB each`, `in the master: 12.0 MiB, and in 3 of 4 workers,
/// 10.0 to 12.0 MiB each`; `None` if that is not known.
pub(super) fn who_has_new(run: &Run) -> Option<String> {
    let found = WhereNew::of(run)?;
    let parts: Vec<String> = [Role::Master, Role::Worker]
        .into_iter()
        .filter_map(|role| in_those(run, &found.of_role(run, role), role))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", and "))
}

/// The processes of a role that have most of it.
fn in_those(run: &Run, processes: &[(u32, u64)], role: Role) -> Option<String> {
    let (&(first, most), &(_, least)) = processes.first().zip(processes.last())?;
    let (most, least) = (size(run.bytes(most)), size(run.bytes(least)));
    if processes.len() == 1 {
        let process = run.process(first)?;
        let name = cut(&what_runs(run, process), MAX_NAME);
        let (role, pid) = (role_in_words(process), process.pid);
        return Some(format!("in {role} {pid} ({name}): {most}"));
    }
    let words: BTreeSet<&str> = processes
        .iter()
        .filter_map(|(id, _)| run.process(*id).map(role_in_words))
        .collect();
    // Of both kinds: what is true of all.
    let noun = words.first().copied().unwrap_or_else(|| role.name());
    let number = plural(processes.len() as u64, noun);
    let of_all = living(run, role).filter(|all| *all > processes.len());
    let number = of_all.map_or(number, |all| {
        format!("{} of {}", processes.len(), plural(all as u64, noun))
    });
    let each = if least == most {
        most
    } else {
        format!("{least} to {most}")
    };
    // Each has loaded for itself what forks would share.
    let anew = if noun == "process" {
        ", started anew: they share nothing"
    } else {
        ""
    };
    Some(format!("in {number}, {each} each{anew}"))
}

/// How many of a role lived at the end of what the verdict is about.
fn living(run: &Run, role: Role) -> Option<usize> {
    let at_end = crate::verdict::growth::processes_at_end(run)?;
    let all = at_end.iter().filter_map(|id| run.process(*id));
    Some(all.filter(|it| it.role == role).count())
}
