//! What processes that inherit nothing have each loaded for themselves, where they could share it.

use std::collections::BTreeMap;

use crate::{
    run::{GrownVariable, Process, Role, Run},
    words::{printable, size},
};

/// Smaller variables are not worth a sentence, bytes.
const LEAST_BYTES: u64 = 1 << 20;
/// Variables of about the same size are the same: the smallest has this share of the largest.
const ALIKE: f64 = 0.9;

/// The largest variable that several of the processes that were read have each loaded for themselves, as a sentence;
/// none where there is none, or no process was started anew. `read` are those that were read.
pub(super) fn loaded_by_each(run: &Run, read: &[u32]) -> Option<String> {
    let (path, sizes) = largest_of_each(run, read)?;
    let (least, most) = (sizes.iter().min()?, sizes.iter().max()?);
    let each = if size(*least) == size(*most) {
        size(*most)
    } else {
        format!("{} to {}", size(*least), size(*most))
    };
    Some(format!(
        "Each of {} processes that were read here has loaded {} for itself ({each}): it was never shared. Forks of \
         one process that has loaded it would share it.",
        sizes.len(),
        printable(path)
    ))
}

/// Its path, and how large it is in each process.
fn largest_of_each<'a>(run: &'a Run, read: &[u32]) -> Option<(&'a str, Vec<u64>)> {
    let grown = &run.growth.grown;
    let processes = read.iter().filter_map(|id| run.process(*id));
    let programs: Vec<&Process> = processes.filter(|it| inherits_nothing(it)).collect();
    if !programs.iter().any(|it| it.role == Role::Worker) {
        return None;
    }
    let mut by_path: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let is_of_program =
        |it: &&GrownVariable| programs.iter().any(|program| program.id == it.process_id);
    for variable in grown.variables.iter().filter(is_of_program) {
        by_path
            .entry(&variable.path)
            .or_default()
            .push(variable.bytes);
    }
    by_path.retain(|_, sizes| are_alike(sizes));
    by_path
        .into_iter()
        .max_by_key(|(_, sizes)| sizes.iter().sum::<u64>())
}

/// Whether it is a program of its own, and has its memory from nobody.
fn inherits_nothing(process: &Process) -> bool {
    process.inherited_pages.is_none() && process.pid != 0
}

fn are_alike(sizes: &[u64]) -> bool {
    let (least, most) = (sizes.iter().min(), sizes.iter().max());
    sizes.len() > 1
        && least.zip(most).is_some_and(|(least, most)| {
            *least >= LEAST_BYTES && *least as f64 >= *most as f64 * ALIKE
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Sources, arbitrary};

    /// A master and two processes, each with a variable of these `bytes`, which inherited `inherited_pages`.
    fn run(bytes: [u64; 3], inherited_pages: Option<u64>) -> Run {
        let mut run = arbitrary::empty();
        for (id, bytes) in (0..).zip(bytes) {
            run.memory.processes.push(Process {
                id,
                pid: 100 + id,
                parent_id: (id > 0).then_some(0),
                comm: "python3".into(),
                role: if id == 0 { Role::Master } else { Role::Worker },
                target: None,
                started_ns: u64::from(id),
                exited_ns: None,
                exit: None,
                copied: Sources::default(),
                reused_faults: 0,
                inherited_pages: inherited_pages.filter(|_| id > 0),
            });
            run.growth.grown.variables.push(GrownVariable {
                process_id: id,
                path: "__main__.DATA".into(),
                bytes,
                ..GrownVariable::default()
            });
        }
        run
    }

    fn told(run: &Run) -> Option<String> {
        loaded_by_each(run, &[0, 1, 2])
    }

    #[test]
    fn what_spawned_workers_have_each_loaded_was_never_shared() {
        let told = told(&run([64 << 20, 61 << 20, 64 << 20], None)).unwrap();
        let expected = "Each of 3 processes that were read here has loaded __main__.DATA for itself (61 MiB to 64 \
             MiB): it was never shared. Forks of one process that has loaded it would share it.";
        assert_eq!(told, expected);
    }

    #[test]
    fn what_forks_have_or_differs_or_is_small_is_not_said_to_be_loaded_by_each() {
        assert_eq!(told(&run([64 << 20; 3], Some(9))), None, "forks");
        assert_eq!(
            told(&run([64 << 20, 61 << 20, 4 << 20], None)),
            None,
            "one has other data"
        );
        assert_eq!(told(&run([9_000; 3], None)), None);
        let mut alone = run([64 << 20; 3], None);
        for process in &mut alone.memory.processes {
            process.role = Role::Master;
        }
        assert_eq!(told(&alone), None, "two services");
    }
}
