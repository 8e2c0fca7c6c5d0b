//! Code that the program makes itself, and tells of in a perf map, as a just-in-time compiler does.

use std::{fs, num::NonZeroUsize, path::PathBuf, process, thread, time::Duration};

use anyhow::{Context as _, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use serde_json::Value;

use crate::{
    child::{Child, writer},
    memory::{Memory, PAGE, changed_by},
};

/// A function with a frame that writes a byte into each of so many pages from an address on.
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
/// As above: stp x29, x30, [sp, -16]!; mov x29, sp; mov w3, 1; strb w3, [x0]; add x0, x0, 4096; subs
/// x1, x1, 1; b.ne back to the strb; ldp x29, x30, [sp], 16; ret.
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, 0x23, 0x00, 0x80, 0x52, 0x03, 0x00, 0x00, 0x39,
    0x00, 0x04, 0x40, 0x91, 0x21, 0x04, 0x00, 0xf1, 0xa1, 0xff, 0xff, 0x54, 0xfd, 0x7b, 0xc1, 0xa8,
    0xc0, 0x03, 0x5f, 0xd6,
];

/// Until cowtrace has looked, which it does 20 times a second.
const LOOK: Duration = Duration::from_millis(300);

type Function = unsafe extern "C" fn(*mut u8, usize);

/// Code that was made, and the file that tells of it.
struct Made {
    function: Function,
    map: PathBuf,
}

impl Made {
    fn new(name: &str) -> Result<Self> {
        let length = NonZeroUsize::new(PAGE).context("no page")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) }?;
        // SAFETY: the mapping is larger than the code, and nobody else's.
        unsafe {
            let start = base.as_ptr().cast::<u8>();
            start.copy_from(CODE.as_ptr(), CODE.len());
        }
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
        // SAFETY: nothing refers to what it holds.
        unsafe { mprotect(base, PAGE, access) }?;
        let start = base.as_ptr() as usize;
        let map = PathBuf::from(format!("/tmp/perf-{}.map", process::id()));
        fs::write(&map, format!("{start:x} {:x} {name}\n", CODE.len()))?;
        // SAFETY: the code above is a function of this type.
        let function = unsafe { std::mem::transmute::<usize, Function>(start) };
        Ok(Self { function, map })
    }

    fn write_all(&self, memory: Memory) {
        // SAFETY: the pages are the mapping's.
        unsafe { (self.function)(memory.address(0).cast(), memory.pages()) };
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.map);
    }
}

/// A child writes by code that its parent made.
pub(crate) fn inherited(memory: &Memory) -> Result<Vec<Value>> {
    let made = Made::new("made_by_parent")?;
    let mut child = Child::fork(|| {
        changed_by(*memory, || {
            made.write_all(*memory);
            Ok(())
        })
    })?;
    let told = writer(child.pid(), memory.pages(), child.result()?);
    thread::sleep(LOOK);
    child.release()?;
    Ok(vec![told])
}

/// Two children write by code of their own, at the same address or not.
pub(crate) fn own(memory: &Memory) -> Result<Vec<Value>> {
    let mut children = Vec::new();
    for name in ["made_by_one", "made_by_other"] {
        children.push(Child::fork(|| {
            let made = Made::new(name)?;
            let changed = changed_by(*memory, || {
                made.write_all(*memory);
                Ok(())
            });
            thread::sleep(LOOK);
            changed
        })?);
    }
    let told = children
        .iter_mut()
        .map(|child| Ok(writer(child.pid(), memory.pages(), child.result()?)))
        .collect();
    children.into_iter().try_for_each(Child::release)?;
    told
}
