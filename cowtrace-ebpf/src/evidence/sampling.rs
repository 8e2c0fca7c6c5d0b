//! Of which copies evidence is taken: of each as long as this processor's ring has room, otherwise of one in 2, 4,
//! 8 … drawn at random. Each stands for its thread's copies since the last one that was drawn.

use aya_ebpf::Global;
use cowtrace_common::evidence::MOST_PASSED_OVER;

use crate::{maps, thread::TracedThread};

/// Binary logarithm of the copies of which evidence is taken of one, at least.
#[unsafe(no_mangle)]
static LEAST_SAMPLING: Global<u32> = Global::new(0);
/// The same, at most.
#[unsafe(no_mangle)]
static MOST_SAMPLING: Global<u32> = Global::new(0);

/// Sixteenths of a ring: from here on copies are left out.
const HALF: u32 = 8;
/// Below this fewer are left out.
const QUARTER: u32 = 4;

/// Whether evidence is to be taken of the thread's open fault if it copies a page of a process.
#[inline(always)]
pub fn draw(mut thread: TracedThread, slot: u32, address: u64) {
    let least = LEAST_SAMPLING.load();
    let state = thread.get_mut();
    let sampling = u32::from(state.sampling).max(least);
    // What another process writes stands for itself, and so does a copy before which too many were left out.
    if sampling == 0 || slot != state.process || state.passed_over >= MOST_PASSED_OVER {
        state.is_drawn = 1;
        return;
    }
    // Mixed with the last result: pages that are copied again and again are drawn in turn, and no pattern of
    // the program's falls in with the drawing.
    let page = (address >> 12) as u32;
    let mut mixed = (state.chance ^ page ^ (slot << 16)).wrapping_mul(0x9e37_79b1);
    mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77);
    mixed ^= mixed >> 13;
    state.chance = mixed;
    // The upper bits are the best mixed ones.
    state.is_drawn = u8::from(mixed >> (32 - (sampling & 31)) == 0);
}

/// Whether the open fault was drawn; counts its copy if not.
#[inline(always)]
pub fn is_drawn(mut thread: TracedThread) -> bool {
    let state = thread.get_mut();
    if state.is_drawn == 0 {
        state.passed_over += 1;
        return false;
    }
    true
}

/// Leaves out more copies the fuller this processor's ring is, and fewer step by step when it has room.
#[inline(always)]
pub fn adapt(mut thread: TracedThread) {
    let most = MOST_SAMPLING.load();
    if most == 0 {
        return;
    }
    let fill = maps::evidence_fill();
    let state = thread.get_mut();
    let now = u32::from(state.sampling);
    let mut next = now;
    if fill >= HALF {
        // From the first step at a half to the last before the ring is full.
        next = now.max((fill - HALF) * 2 + 1);
    } else if fill < QUARTER {
        next = now.saturating_sub(1);
    }
    state.sampling = next.min(most) as u8;
}
