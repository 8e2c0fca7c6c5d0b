//! Native frames of the thread that writes, by its frame pointers.
//!
//! `bpf_get_stack` ends each walk with a page fault at address 0 inside the hook, and follows any
//! readable word. This walk follows only words that can be frame pointers, so that code without frame
//! pointers leaves few distinct stacks, and it says how it ended.

use aya_ebpf::Global;
use cowtrace_common::{
    loss::Loss,
    native::{MAX_CALLS, RECORD_BYTES, WalkEnd},
    python::WINDOW_BYTES,
};

use super::reading::count_unkept;
use crate::{
    digest::add_to_digest,
    kernel::SavedRegisters,
    maps,
    walk::{Hook, StackWalk},
};

/// 1 if this trace walks native stacks. At 0 the verifier removes the code that does.
#[unsafe(no_mangle)]
static WALK_NATIVE: Global<u32> = Global::new(0);

/// Largest frame, bytes: the usual limit of a main thread's stack.
const MAX_FRAME_BYTES: u64 = 8 << 20;
/// Code lies between these addresses: `vm.mmap_min_addr` and the end of user addresses (x86-64).
const LOWEST_CODE: u64 = 0x1_0000;
const HIGHEST_CODE: u64 = 1 << 47;

/// Whether this trace walks native stacks.
#[inline(always)]
pub fn walks_native_stacks() -> bool {
    WALK_NATIVE.load() != 0
}

/// Number of the native stack of the thread with these user-mode registers, 0 if unknown.
#[inline(always)]
pub fn native_stack_number(walk: &mut StackWalk, registers: SavedRegisters, hook: Hook) -> u64 {
    let (Ok(top), Ok(innermost)) = (registers.stack_pointer(), registers.frame_pointer()) else {
        return 0;
    };
    walk.forget();
    walk.native.link = match registers.link() {
        Some(link) => link.unwrap_or(0),
        None => frameless_caller(walk, top),
    };
    let number = collect_native_frames(walk, innermost, top);
    if !maps::keep_native_stack(number, &walk.native) {
        count_unkept(hook, Loss::NativeStacksFull);
        return 0;
    }
    number
}

/// Collects the return addresses from a frame pointer on; returns the stack's number.
#[inline(always)]
fn collect_native_frames(walk: &mut StackWalk, innermost: u64, top: u64) -> u64 {
    let mut digest = add_to_digest(0, walk.native.link);
    let mut frame = innermost;
    // Lowest address of the next frame: stacks grow down.
    let mut lowest = top;
    // The count and how the walk ends are in memory, not in registers: the verifier would follow each
    // value of a register separately from there on.
    walk.native.count = 0;
    walk.native.end = WalkEnd::Lost as u32;
    for place in 0..MAX_CALLS {
        let is_frame = frame & 7 == 0 && frame.wrapping_sub(lowest) <= MAX_FRAME_BYTES;
        if !is_frame || load_native_frame(walk, frame).is_none() {
            break;
        }
        let return_address = walk.member(frame, 8);
        digest = add_to_digest(digest, return_address);
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
    add_to_digest(digest, u64::from(walk.native.end)) | 1
}

/// Makes sure that a frame is in the block, with as many of its callers as fit: they lie above it.
#[inline(always)]
fn load_native_frame(walk: &mut StackWalk, frame: u64) -> Option<()> {
    walk.load(frame, RECORD_BYTES, 0, WINDOW_BYTES as u64)
}

/// Return address of a function without a frame of its own, on x86-64: the word at the stack pointer if
/// it follows a call. That word can be anything, and without the check each value would make a new stack.
#[inline(always)]
fn frameless_caller(walk: &mut StackWalk, top: u64) -> u64 {
    if load_native_frame(walk, top).is_none() {
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

/// Whether the instruction before an address is a call: E8 with an offset of 4 bytes, or FF /2 of any
/// length (Intel's manual, volume 2, CALL).
#[inline(always)]
fn comes_after_call(walk: &StackWalk, address: u64) -> bool {
    let Some(code) = walk.peek(address.wrapping_sub(8)) else {
        return false;
    };
    let byte = |back: u32| (code >> (64 - 8 * back)) & 0xff;
    let indirect = |back: u32| (byte(back) == 0xff) & (byte(back - 1) & 0x38 == 0x10);
    (byte(5) == 0xe8) | indirect(2) | indirect(3) | indirect(4) | indirect(6) | indirect(7)
}
