//! Native frames of the thread that writes, by its frame pointers.
//!
//! Not by `bpf_get_stack`: that ends each walk with a page fault at address 0 inside the hook, and
//! goes through anything that can be read. What no frame pointer can be is not followed here, so
//! that code without them leaves few different stacks, and how a walk ended is told.

use aya_ebpf::Global;
use cowtrace_common::{
    loss::Loss,
    native::{MAX_CALLS, RECORD_BYTES, WalkEnd},
    python::WINDOW_BYTES,
};

use crate::{digest::mixed, kernel::SavedRegisters, maps, walk::StackWalk};

/// Whether native stacks are taken at all; at 0 the verifier removes it as dead code.
#[unsafe(no_mangle)]
static WALK_NATIVE: Global<u32> = Global::new(0);

/// No frame is larger: what a main thread's stack may grow to, bytes.
const MAX_FRAME_BYTES: u64 = 8 << 20;
/// Where programs are not mapped (`vm.mmap_min_addr`), and where addresses end (x86-64).
const LOWEST_CODE: u64 = 0x1_0000;
const HIGHEST_CODE: u64 = 1 << 47;

/// Whether stacks are asked for.
#[inline(always)]
pub fn is_walked() -> bool {
    WALK_NATIVE.load() != 0
}

/// Number of the native stack of the thread with these user-mode registers, 0 if it is not known.
#[inline(always)]
pub fn stack(walk: &mut StackWalk, registers: SavedRegisters) -> u64 {
    let (Ok(top), Ok(innermost)) = (registers.stack_pointer(), registers.frame_pointer()) else {
        return 0;
    };
    walk.forget();
    walk.native.link = match registers.link() {
        Some(link) => link.unwrap_or(0),
        None => link(walk, top),
    };
    let number = frames(walk, innermost, top);
    if !maps::keep_native_stack(number, &walk.native) {
        maps::lose(Loss::NativeStacksFull, 1);
        return 0;
    }
    number
}

/// Collects the return addresses from a frame pointer on outwards; their number.
#[inline(always)]
fn frames(walk: &mut StackWalk, innermost: u64, top: u64) -> u64 {
    let mut digest = mixed(0, walk.native.link);
    let mut frame = innermost;
    // Where the next frame can begin: stacks grow down.
    let mut lowest = top;
    // How it ends is kept in memory, and how many there are: what the verifier knows to differ from
    // one number of frames to the next, it would follow separately from there on.
    walk.native.count = 0;
    walk.native.end = WalkEnd::Lost as u32;
    for place in 0..MAX_CALLS {
        let is_frame = frame & 7 == 0 && frame.wrapping_sub(lowest) <= MAX_FRAME_BYTES;
        if !is_frame || load(walk, frame).is_none() {
            break;
        }
        let return_address = walk.member(frame, 8);
        digest = mixed(digest, return_address);
        walk.native.returns[place] = return_address;
        walk.native.count = place as u32 + 1;
        lowest = frame.wrapping_add(RECORD_BYTES);
        frame = walk.member(frame, 0);
        if place == MAX_CALLS - 1 {
            walk.native.end = WalkEnd::Limit as u32;
        }
    }
    if frame == 0 {
        walk.native.end = WalkEnd::Outermost as u32;
    }
    mixed(digest, u64::from(walk.native.end)) | 1
}

/// Has a frame in the block, with as many as possible of those that called it: they lie above it.
#[inline(always)]
fn load(walk: &mut StackWalk, frame: u64) -> Option<()> {
    walk.load(frame, RECORD_BYTES, 0, WINDOW_BYTES as u64)
}

/// Where a function without a frame of its own returns to, on x86-64. Any word can be at the stack
/// pointer, so it must come after a call: other words would make each stack a new one.
#[inline(always)]
fn link(walk: &mut StackWalk, top: u64) -> u64 {
    if load(walk, top).is_none() {
        return 0;
    }
    let word = walk.member(top, 0);
    let is_code = word.wrapping_sub(LOWEST_CODE) < HIGHEST_CODE - LOWEST_CODE;
    if is_code && comes_after_call(walk, word) {
        word
    } else {
        0
    }
}

/// Whether the instruction before an address is a call: E8 with an offset of 4 bytes, or FF /2 in
/// one of its lengths (Intel's manual, volume 2, CALL).
#[inline(always)]
fn comes_after_call(walk: &StackWalk, address: u64) -> bool {
    let Some(code) = walk.peek(address.wrapping_sub(8)) else {
        return false;
    };
    let byte = |back: u32| (code >> (64 - 8 * back)) & 0xff;
    let indirect = |back: u32| (byte(back) == 0xff) & (byte(back - 1) & 0x38 == 0x10);
    (byte(5) == 0xe8) | indirect(2) | indirect(3) | indirect(4) | indirect(6) | indirect(7)
}
