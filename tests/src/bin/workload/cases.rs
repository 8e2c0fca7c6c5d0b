//! Cases of one or more processes that write the same memory in a known order.

use std::{fs::File, process, sync::Barrier, thread, time::Duration};

use anyhow::Result;
use serde_json::Value;

use crate::{
    PAGES,
    child::{Child, writer},
    foreign, frames, ksm,
    memory::{Memory, PAGE, changed, changed_by, scratch_file},
    swapped, touches,
};

/// A case: how its memory is set up before the trace, and what happens during the trace.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn() -> Result<Memory>,
    pub(crate) run: fn(&Memory) -> Result<Vec<Value>>,
}

pub(crate) const ALL: &[Case] = &[
    Case {
        name: "child-writes",
        prepare: written,
        run: child_writes,
    },
    Case {
        name: "parent-after-exit",
        prepare: written,
        run: parent_after_exit,
    },
    Case {
        name: "parent-first",
        prepare: written,
        run: parent_first,
    },
    Case {
        name: "three-children",
        prepare: written,
        run: three_children,
    },
    Case {
        name: "zero-page",
        prepare: zero_pages,
        run: own_writes,
    },
    Case {
        name: "shared",
        prepare: shared,
        run: child_writes,
    },
    Case {
        name: "file",
        prepare: file_read,
        run: own_writes,
    },
    Case {
        name: "file-parent-wrote",
        prepare: file_written,
        run: child_writes,
    },
    Case {
        name: "huge",
        prepare: huge,
        run: child_writes,
    },
    Case {
        name: "read-into",
        prepare: written,
        run: child_reads_file_into,
    },
    Case {
        name: "protect",
        prepare: written,
        run: protect_then_write,
    },
    Case {
        name: "race",
        prepare: written_five,
        run: threads_race,
    },
    Case {
        name: "race-at-once",
        prepare: written_five,
        run: threads_race_at_once,
    },
    Case {
        name: "nothing",
        prepare: written,
        run: nothing,
    },
    Case {
        name: "calls-after-reuse",
        prepare: written,
        run: calls_after_reuse,
    },
    Case {
        name: "kernel-reuse-then-calls",
        prepare: written,
        run: kernel_reuse_then_calls,
    },
    Case {
        name: "written-for-it",
        prepare: written,
        run: foreign::written_by_parent,
    },
    Case {
        name: "written-by-ptrace",
        prepare: written,
        run: foreign::written_by_debugger,
    },
    Case {
        name: "written-by-stranger",
        prepare: foreign::with_stranger,
        run: foreign::written_by_stranger,
    },
    Case {
        name: "file-first",
        prepare: file_untouched,
        run: own_writes,
    },
    Case {
        name: "ksm",
        prepare: merged,
        run: own_writes,
    },
    Case {
        name: "swapped",
        prepare: swapped::out,
        run: swapped::read_and_written,
    },
    Case {
        name: "hugetlb",
        prepare: hugetlb,
        run: child_writes,
    },
    Case {
        name: "four-children",
        prepare: written,
        run: four_children,
    },
    Case {
        name: "four-threads",
        prepare: written_four,
        run: four_threads,
    },
    Case {
        name: "many-pages",
        prepare: written_many,
        run: child_writes,
    },
    Case {
        name: "frames",
        prepare: written,
        run: frames::shallow,
    },
    Case {
        name: "frames-deep",
        prepare: written,
        run: frames::deep,
    },
    Case {
        name: "touch",
        prepare: touches::untouched,
        run: touches::written,
    },
    Case {
        name: "touch-read-into",
        prepare: touches::untouched,
        run: touches::read_into,
    },
    Case {
        name: "touch-read-first",
        prepare: touches::untouched,
        run: touches::read_first,
    },
    Case {
        name: "touch-populate",
        prepare: touches::untouched,
        run: touches::populated,
    },
    Case {
        name: "touch-huge",
        prepare: touches::untouched_huge,
        run: touches::written,
    },
    Case {
        name: "touch-heap",
        prepare: touches::untouched,
        run: touches::grown_heap,
    },
    Case {
        name: "touch-stack",
        prepare: touches::untouched,
        run: touches::grown_stack,
    },
    Case {
        name: "touch-shared",
        prepare: touches::untouched_shared,
        run: touches::written,
    },
    Case {
        name: "touch-file",
        prepare: file_untouched,
        run: touches::written,
    },
];

fn written() -> Result<Memory> {
    let memory = Memory::anonymous(PAGES)?;
    memory.write_all();
    Ok(memory)
}

/// More pages than there is room for ranges.
fn written_many() -> Result<Memory> {
    let memory = Memory::anonymous(300 * PAGES)?;
    memory.write_all();
    Ok(memory)
}

fn written_five() -> Result<Memory> {
    let memory = Memory::anonymous(5 * PAGES)?;
    memory.write_all();
    Ok(memory)
}

fn written_four() -> Result<Memory> {
    let memory = Memory::anonymous(4 * PAGES)?;
    memory.write_all();
    Ok(memory)
}

/// Pages merged by KSM: all equal, in a few frames.
fn merged() -> Result<Memory> {
    let memory = Memory::anonymous(PAGES)?;
    memory.write_same();
    ksm::merge(memory)?;
    Ok(memory)
}

fn hugetlb() -> Result<Memory> {
    let memory = Memory::hugetlb(4)?;
    memory.write_all();
    Ok(memory)
}

fn file_untouched() -> Result<Memory> {
    Memory::file(PAGES)
}

fn zero_pages() -> Result<Memory> {
    let memory = Memory::anonymous(PAGES)?;
    memory.read_all();
    Ok(memory)
}

fn shared() -> Result<Memory> {
    let memory = Memory::shared(PAGES)?;
    memory.write_all();
    Ok(memory)
}

fn file_read() -> Result<Memory> {
    let memory = Memory::file(PAGES)?;
    memory.read_all();
    Ok(memory)
}

fn file_written() -> Result<Memory> {
    let memory = Memory::file(PAGES)?;
    memory.write_all();
    Ok(memory)
}

/// Four huge pages.
fn huge() -> Result<Memory> {
    let memory = Memory::huge(4 * 512)?;
    memory.write_all();
    Ok(memory)
}

fn write_all(memory: &Memory) -> Result<u64> {
    changed_by(*memory, || {
        memory.write_all();
        Ok(())
    })
}

fn own_writes(memory: &Memory) -> Result<Vec<Value>> {
    let changed = write_all(memory)?;
    Ok(vec![writer(process::id(), memory.pages(), changed)])
}

fn child_writes(memory: &Memory) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| write_all(memory))?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}

fn parent_after_exit(memory: &Memory) -> Result<Vec<Value>> {
    Child::fork(|| Ok(0))?.release()?;
    own_writes(memory)
}

fn parent_first(memory: &Memory) -> Result<Vec<Value>> {
    let (wait, go) = nix::unistd::pipe()?;
    let mut child = Child::fork(|| {
        crate::memory::wait_for_byte(std::os::fd::AsFd::as_fd(&wait));
        write_all(memory)
    })?;
    let mut told = own_writes(memory)?;
    nix::unistd::write(&go, &[1])?;
    told.push(writer(child.pid(), memory.pages(), child.result()?));
    child.release()?;
    Ok(told)
}

fn three_children(memory: &Memory) -> Result<Vec<Value>> {
    children(3, memory)
}

fn four_children(memory: &Memory) -> Result<Vec<Value>> {
    children(4, memory)
}

/// Children that write all pages at the same time.
fn children(number: usize, memory: &Memory) -> Result<Vec<Value>> {
    let mut children = Vec::new();
    for _ in 0..number {
        children.push(Child::fork(|| write_all(memory))?);
    }
    let told = children
        .iter_mut()
        .map(|child| Ok(writer(child.pid(), memory.pages(), child.result()?)))
        .collect();
    children.into_iter().try_for_each(Child::release)?;
    told
}

fn child_reads_file_into(memory: &Memory) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| {
        let file = File::open("/dev/zero")?;
        changed_by(*memory, || memory.read_file_into(&file))
    })?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}

fn protect_then_write(memory: &Memory) -> Result<Vec<Value>> {
    memory.protect_and_unprotect()?;
    own_writes(memory)
}

/// Two threads of a child write every page at the same time, some time after they have started.
fn threads_race(memory: &Memory) -> Result<Vec<Value>> {
    race(memory, Duration::from_millis(300))
}

/// Like `threads_race`, but from the threads' start on.
fn threads_race_at_once(memory: &Memory) -> Result<Vec<Value>> {
    race(memory, Duration::ZERO)
}

fn race(memory: &Memory, delay: Duration) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| {
        let before = memory.frames()?;
        let together = Barrier::new(2);
        let write = || {
            thread::sleep(delay);
            for page in 0..memory.pages() {
                // Repeated, so that both threads stay at the same pages.
                if page % 50 == 0 {
                    together.wait();
                }
                memory.write(page);
            }
        };
        thread::scope(|scope| {
            scope.spawn(write);
            scope.spawn(write);
        });
        Ok(changed(&before, &memory.frames()?))
    })?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}

/// Four threads of a child write one quarter each at the same time.
fn four_threads(memory: &Memory) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| {
        let before = memory.frames()?;
        let together = Barrier::new(4);
        let write = |quarter: usize| {
            together.wait();
            let pages = memory.pages() / 4;
            (quarter * pages..(quarter + 1) * pages).for_each(|page| memory.write(page));
        };
        thread::scope(|scope| {
            for quarter in 0..4 {
                scope.spawn(move || write(quarter));
            }
        });
        Ok(changed(&before, &memory.frames()?))
    })?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    child.release()?;
    Ok(vec![told])
}

/// Only a fork, for its own copies.
fn nothing(_memory: &Memory) -> Result<Vec<Value>> {
    let mut child = Child::fork(|| Ok(0))?;
    let told = writer(child.pid(), 0, child.result()?);
    child.release()?;
    Ok(vec![told])
}

/// Each write reuses its page; then a system call allocates movable memory for the page cache.
fn calls_after_reuse(memory: &Memory) -> Result<Vec<Value>> {
    Child::fork(|| Ok(0))?.release()?;
    let cache = scratch_file(0)?;
    let changed = changed_by(*memory, || {
        for page in 0..memory.pages() {
            memory.write(page);
            // A new page of the file each time.
            std::os::unix::fs::FileExt::write_all_at(&cache, &[1], (page * PAGE) as u64)?;
        }
        Ok(())
    })?;
    Ok(vec![writer(process::id(), memory.pages(), changed)])
}

/// The kernel reuses a page inside read(2), and then allocates for the page cache in the next call,
/// on the same stack.
fn kernel_reuse_then_calls(memory: &Memory) -> Result<Vec<Value>> {
    Child::fork(|| Ok(0))?.release()?;
    let cache = scratch_file(0)?;
    let zero = File::open("/dev/zero")?;
    let changed = changed_by(*memory, || {
        for page in 0..memory.pages() {
            memory.read_page_into(&zero, page)?;
            std::os::unix::fs::FileExt::write_all_at(&cache, &[1], (page * PAGE) as u64)?;
        }
        Ok(())
    })?;
    Ok(vec![writer(process::id(), memory.pages(), changed)])
}
