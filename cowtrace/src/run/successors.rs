//! Which program a process started in its own place.

use std::collections::HashMap;

use super::{CopiedMemory, Process};

/// The next image of each process that started a program, by the image that it left. A process that starts a
/// program gives up what it inherited; it has not exited.
#[derive(Debug, Default)]
pub struct Successors<'a>(HashMap<u32, &'a Process>);

impl<'a> Successors<'a> {
    /// Of all processes. Those that stand for several, under no process id, have none.
    #[must_use]
    pub fn of(memory: &'a CopiedMemory) -> Self {
        let mut pids = HashMap::new();
        let mut next = HashMap::new();
        for image in &memory.processes {
            let left = image.parent_id.filter(|_| image.pid != 0);
            if let Some(left) = left.filter(|left| pids.get(left) == Some(&image.pid)) {
                next.insert(left, image);
            }
            pids.insert(image.id, image.pid);
        }
        Self(next)
    }

    /// What came after an image; none if its process exited, or lives on in it.
    #[must_use]
    pub fn after(&self, image: &Process) -> Option<&'a Process> {
        self.0.get(&image.id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Role, Sources};

    fn image(id: u32, pid: u32, parent_id: Option<u32>) -> Process {
        Process {
            id,
            pid,
            parent_id,
            comm: String::new(),
            role: Role::Worker,
            started_ns: 0,
            exited_ns: None,
            exit: None,
            copied: Sources::default(),
            reused_faults: 0,
            inherited_pages: None,
            target: None,
        }
    }

    #[test]
    fn only_the_same_process_comes_after_itself() {
        let memory = CopiedMemory {
            processes: vec![
                image(0, 10, None),
                image(1, 11, Some(0)),
                image(2, 11, Some(1)),
                image(3, 12, Some(2)),
                image(4, 0, Some(0)),
            ],
            ..CopiedMemory::default()
        };
        let successors = Successors::of(&memory);
        let after = |at: usize| successors.after(&memory.processes[at]).map(|it| it.id);
        assert_eq!(
            [0, 1, 2, 3, 4].map(after),
            [None, Some(2), None, None, None]
        );
    }
}
