//! Code that the program generates itself and describes in a perf map, as a just-in-time compiler
//! does. The processes that ran it stay until a second line of input: real ones live longer than a
//! tracer needs to examine them, even on a busy machine.

use std::{fs, mem, num::NonZeroUsize, path::PathBuf, process};

use anyhow::{Context as _, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use serde_json::Value;

use crate::{
    child::{Child, writer},
    memory::{Memory, PAGE, changed_by},
};

/// A function with a frame that writes a byte into each of a number of pages, from an address on.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0x55, // push rbp
    0x48, 0x89, 0xe5, // mov rbp, rsp
    0xc6, 0x07, 0x01, // mov byte ptr [rdi], 1
    0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, // add rdi, 4096
    0x48, 0xff, 0xce, // dec rsi
    0x75, 0xf1, // jnz back to the mov
    0x5d, // pop rbp
    0xc3, // ret
];
/// The same: stp x29, x30, [sp, -16]!; mov x29, sp; mov w3, 1; strb w3, [x0]; add x0, x0, 4096;
/// subs x1, x1, 1; b.ne back to the strb; ldp x29, x30, [sp], 16; ret.
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, 0x23, 0x00, 0x80, 0x52, 0x03, 0x00, 0x00, 0x39,
    0x00, 0x04, 0x40, 0x91, 0x21, 0x04, 0x00, 0xf1, 0xa1, 0xff, 0xff, 0x54, 0xfd, 0x7b, 0xc1, 0xa8,
    0xc0, 0x03, 0x5f, 0xd6,
];

pub(crate) const ALL: &[(&str, Case)] = &[
    ("made-code", inherited),
    ("made-code-own", own),
    ("made-code-crowded", crowded),
];

/// Mappings of a process whose layout takes long to read: a tracer does not read it again at once.
const CROWD: usize = 10_000;

type Case = fn(&Memory) -> Result<Staying>;

/// What the processes of a case wrote, and the processes and files kept for now.
pub(crate) struct Staying {
    pub(crate) writers: Vec<Value>,
    children: Vec<Child>,
    _maps: Vec<Map>,
}

impl Staying {
    /// Lets the children exit, and removes the perf maps.
    pub(crate) fn leave(self) -> Result<()> {
        self.children.into_iter().try_for_each(Child::release)
    }
}

/// A process's perf map, removed with this value.
struct Map(PathBuf);

impl Map {
    fn of(pid: u32) -> Self {
        Self(format!("/tmp/perf-{pid}.map").into())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

type Function = unsafe extern "C" fn(*mut u8, usize);

/// Generated code, and its perf map.
struct Made {
    function: Function,
    map: Map,
}

impl Made {
    fn new(name: &str) -> Result<Self> {
        let length = NonZeroUsize::new(PAGE).context("no page")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) }?;
        // SAFETY: the mapping is larger than the code, and nothing else uses it.
        unsafe {
            let start = base.as_ptr().cast::<u8>();
            start.copy_from(CODE.as_ptr(), CODE.len());
        }
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
        // SAFETY: nothing refers to its content.
        unsafe { mprotect(base, PAGE, access) }?;
        let start = base.as_ptr() as usize;
        let map = Map::of(process::id());
        fs::write(&map.0, format!("{start:x} {:x} {name}\n", CODE.len()))?;
        // SAFETY: the code above is a function of this type.
        let function = unsafe { std::mem::transmute::<usize, Function>(start) };
        Ok(Self { function, map })
    }

    fn write_all(&self, memory: Memory) {
        // SAFETY: the pages belong to the mapping.
        unsafe { (self.function)(memory.address(0).cast(), memory.pages()) };
    }
}

/// A child writes by code that its parent generated.
fn inherited(memory: &Memory) -> Result<Staying> {
    let made = Made::new("made_by_parent")?;
    let mut child = Child::fork(|| {
        changed_by(*memory, || {
            made.write_all(*memory);
            Ok(())
        })
    })?;
    Ok(Staying {
        writers: vec![writer(child.pid(), memory.pages(), child.result()?)],
        children: vec![child],
        _maps: vec![made.map],
    })
}

/// Two children write by code of their own, at the same address or at different ones.
fn own(memory: &Memory) -> Result<Staying> {
    let mut children = Vec::new();
    for name in ["made_by_one", "made_by_other"] {
        children.push(Child::fork(|| {
            let made = Made::new(name)?;
            let changed = changed_by(*memory, || {
                made.write_all(*memory);
                Ok(())
            });
            // The parent removes it when the child has exited.
            mem::forget(made);
            changed
        })?);
    }
    let maps = children.iter().map(|child| Map::of(child.pid())).collect();
    let told = children
        .iter_mut()
        .map(|child| Ok(writer(child.pid(), memory.pages(), child.result()?)));
    Ok(Staying {
        writers: told.collect::<Result<_>>()?,
        children,
        _maps: maps,
    })
}

/// The same in processes with very many mappings.
fn crowded(memory: &Memory) -> Result<Staying> {
    for number in 0..CROWD {
        // Neighbours with the same rights would be one mapping.
        let access = match number % 2 {
            0 => ProtFlags::PROT_READ,
            _ => ProtFlags::PROT_NONE,
        };
        let length = NonZeroUsize::new(PAGE).context("no page")?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) }?;
    }
    own(memory)
}
