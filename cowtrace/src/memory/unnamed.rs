//! What anonymous mappings are for, where their place among their neighbours shows it: stacks of threads and
//! arenas of malloc, as glibc lays them out. What shows nothing keeps its name.

use crate::run::{Kind, Mapping};

/// Size and alignment of an arena's address space on 64-bit machines (`HEAP_MAX_SIZE` of malloc/arena.c): the part
/// in use is writable, the rest reserved behind it.
const ARENA: u64 = 64 << 20;
/// glibc keeps one page in front of a thread's stack without access, and takes both from one mapping.
const GUARD: u64 = 4096;
/// Stacks have whole units of this, bytes, with the page in front (glibc before 2.27) or without it: musl's and Go's
/// are not laid out like this.
const STACK_UNIT: u64 = 64 << 10;
const LEAST_STACK: u64 = 128 << 10;
const THREAD_STACK: &str = "[thread stack]";
const MALLOC_ARENA: &str = "[malloc arena]";

/// Names those of these mappings, which are sorted, that have no name and show what they are.
pub fn name_unnamed(mappings: &mut [Mapping]) {
    for at in 0..mappings.len() {
        let mapping = &mappings[at];
        if mapping.kind != Kind::Anon || mapping.name != Mapping::UNNAMED || mapping.perms != "rw-p"
        {
            continue;
        }
        let before = at.checked_sub(1).map(|before| &mappings[before]);
        let name = if is_arena(mapping, mappings.get(at + 1)) {
            MALLOC_ARENA
        } else if before.is_some_and(|guard| is_thread_stack(guard, mapping)) {
            THREAD_STACK
        } else {
            continue;
        };
        name.clone_into(&mut mappings[at].name);
    }
}

fn is_arena(used: &Mapping, after: Option<&Mapping>) -> bool {
    if !used.start.is_multiple_of(ARENA) {
        return false;
    }
    let end = used.start.saturating_add(ARENA);
    let is_rest = |rest: &Mapping| {
        rest.start == used.end
            && rest.end == end
            && rest.perms == "---p"
            && rest.name == Mapping::UNNAMED
    };
    after.is_some_and(is_rest)
}

fn is_thread_stack(guard: &Mapping, stack: &Mapping) -> bool {
    let whole = stack.end.saturating_sub(guard.start);
    guard.end == stack.start
        && guard.size_bytes() == GUARD
        && guard.perms == "---p"
        && guard.name == Mapping::UNNAMED
        && whole >= LEAST_STACK
        && [whole, stack.size_bytes()]
            .iter()
            .any(|size| size.is_multiple_of(STACK_UNIT))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, thread};

    use super::*;
    use crate::memory::{read_layout_text, read_mappings};

    fn names(maps: &str) -> Vec<String> {
        let mut mappings = read_mappings(maps.as_bytes()).unwrap();
        name_unnamed(&mut mappings);
        mappings.into_iter().map(|mapping| mapping.name).collect()
    }

    #[test]
    fn arenas_and_stacks_are_known_by_their_neighbours() {
        let maps = "\
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
7f0000021000-7f0004000000 ---p 00000000 00:00 0
7f0010000000-7f0010001000 ---p 00000000 00:00 0
7f0010001000-7f0010800000 rw-p 00000000 00:00 0
7f0018000000-7f0018001000 ---p 00000000 00:00 0
7f0018001000-7f0018801000 rw-p 00000000 00:00 0
7f0020000000-7f0020021000 rw-p 00000000 00:00 0
7f0030000000-7f0030001000 ---p 00000000 00:00 0
7f0030001000-7f0030003000 rw-p 00000000 00:00 0
";
        let found = names(maps);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(
            found,
            [
                MALLOC_ARENA,
                Mapping::UNNAMED,
                Mapping::UNNAMED,
                THREAD_STACK,
                Mapping::UNNAMED,
                THREAD_STACK,
                Mapping::UNNAMED,
                Mapping::UNNAMED,
                Mapping::UNNAMED
            ]
        );
    }

    #[test]
    fn the_stack_of_a_thread_of_this_program_is_found() {
        let found = thread::spawn(|| {
            let here = 0u8;
            let at = (&raw const here).addr() as u64;
            let text = read_layout_text(Path::new("/proc"), std::process::id()).unwrap();
            let mut mappings = read_mappings(&text).unwrap();
            name_unnamed(&mut mappings);
            let mut mappings = mappings.into_iter();
            mappings.find(|mapping| mapping.contains(at)).unwrap().name
        });
        assert_eq!(found.join().unwrap(), THREAD_STACK);
    }
}
