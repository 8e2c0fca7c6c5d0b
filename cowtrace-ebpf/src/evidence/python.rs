//! Python frames of the thread that writes, walked in its memory when it writes. The frames are that
//! thread's or missing: `pthread_self` identifies the thread, and its value survives a fork.

use aya_ebpf::Global;
use cowtrace_common::{
    loss::Loss,
    python::{
        FRAME_BYTES, Interpreter, MAX_FRAMES, MOST_WINDOW_BYTES, THREAD_BYTES, WINDOW_BYTES,
        WalkedFrame,
    },
};

use super::reading::count_unkept;
use crate::{
    digest::add_to_digest,
    kernel::KernelTask,
    maps,
    program::KnownProgram,
    thread::TracedThread,
    walk::{Hook, StackWalk},
};

/// 1 if this trace walks Python frames. At 0 the verifier removes the code that does.
#[unsafe(no_mangle)]
static WALK_PYTHON: Global<u32> = Global::new(0);
/// How far below the thread pointer a thread's `pthread_self` may lie, bytes: 0 where both are the same. In between
/// lies the thread's descriptor, and in front of that its stack, so no other thread's is that near.
#[unsafe(no_mangle)]
static THREAD_DESCRIPTOR_BYTES: Global<u32> = Global::new(0);

/// Most interpreters and threads of a process that are searched for the writer's state.
const MAX_SEARCHED: u32 = 64;
/// Low bits of a reference to an object that may have other uses (3.14).
const TAG: u64 = 0b111;

/// Whether this trace walks Python frames.
#[inline(always)]
pub fn walks_python_frames() -> bool {
    WALK_PYTHON.load() != 0
}

/// Number of the current thread's Python stack, 0 if it runs no known Python.
#[inline(always)]
pub fn python_stack_number(
    walk: &mut StackWalk,
    mut thread: TracedThread,
    program: KnownProgram,
    hook: Hook,
) -> u64 {
    let number = program.interpreter;
    if number == 0 {
        return 0;
    }
    let Some(interpreter) = maps::interpreter_by_number(number) else {
        return 0;
    };
    let Some(frame) = innermost_frame(thread, interpreter, walk) else {
        return 0;
    };
    let stack = collect_python_frames(frame, interpreter, walk, thread, number);
    // Most copies of a service are made in loops, by the stack of the copy before. What is stored stays.
    if stack == 0 || stack == thread.get().stored_stack {
        return stack;
    }
    if !maps::keep_python_stack(stack, &walk.python) {
        count_unkept(hook, Loss::StacksFull);
        return 0;
    }
    thread.get_mut().stored_stack = stack;
    stack
}

/// Address of the innermost frame of the current thread.
#[inline(always)]
fn innermost_frame(
    mut thread: TracedThread,
    python: &Interpreter,
    walk: &mut StackWalk,
) -> Option<u64> {
    let mut own = thread.get().thread_pointer;
    if own == 0 {
        own = KernelTask::current().thread_pointer().ok()?;
        thread.get_mut().thread_pointer = own;
    }
    // arm64 stores that of a program's first thread only when the thread first gives up its processor.
    if own == 0 {
        return None;
    }
    let state = state_in_use(thread.get().python_thread, own, python, walk)?;
    thread.get_mut().python_thread = state;
    let frame = word_of_block(walk, python.thread_frame);
    if python.has_cframe == 0 {
        return Some(frame);
    }
    walk.read(frame + u64::from(python.cframe_frame), 8)?;
    Some(walk.block[0])
}

/// The state that the current thread uses, or used last: `known` unless there is another. A thread has one for each
/// interpreter in which it runs code. Reads the state into the block.
#[inline(always)]
fn state_in_use(known: u64, own: u64, python: &Interpreter, walk: &mut StackWalk) -> Option<u64> {
    if python.current_thread != 0 {
        let current = walk.peek(python.current_thread).unwrap_or(0);
        if current != 0 && is_own(current, own, python, walk) {
            return Some(current);
        }
    }
    let is_known = known != 0 && is_own(known, own, python, walk);
    // A thread uses none while it has released the lock.
    if is_known && (is_in_use(python, walk) || has_one_interpreter(python, walk)) {
        return Some(known);
    }
    let last = if is_known { known } else { 0 };
    search_states(last, own, python, walk)
}

/// Searches all interpreters, the newest first, for the state that the current thread uses. If it uses none, that is
/// `last`, or if that is 0, the one of the oldest interpreter. Reads the state into the block.
#[inline(always)]
fn search_states(last: u64, own: u64, python: &Interpreter, walk: &mut StackWalk) -> Option<u64> {
    let mut interpreter = walk.peek(python.interpreters_head)?;
    let mut state = 0;
    let mut found = 0;
    for _ in 0..MAX_SEARCHED {
        if state == 0 {
            if interpreter == 0 {
                break;
            }
            state = walk.peek(interpreter + u64::from(python.interpreter_threads))?;
            interpreter = walk.peek(interpreter + u64::from(python.interpreter_next))?;
        } else {
            if is_own(state, own, python, walk) {
                if python.active_bit != 0 && is_in_use(python, walk) {
                    return Some(state);
                }
                found = state;
            }
            state = word_of_block(walk, python.thread_next);
        }
    }
    let state = if last == 0 { found } else { last };
    (state != 0 && is_own(state, own, python, walk)).then_some(state)
}

/// Whether the state in the block is in use; where states do not say, they count as used.
#[inline(always)]
fn is_in_use(python: &Interpreter, walk: &StackWalk) -> bool {
    word_of_block(walk, python.thread_status) & python.active_bit == python.active_bit
}

/// Whether the process has no second interpreter. The block does not change.
#[inline(always)]
fn has_one_interpreter(python: &Interpreter, walk: &StackWalk) -> bool {
    let newest = walk.peek(python.interpreters_head).unwrap_or(0);
    newest != 0 && walk.peek(newest + u64::from(python.interpreter_next)) == Some(0)
}

/// Whether `state` belongs to the thread with the thread pointer `own`; reads it into the block.
#[inline(always)]
fn is_own(state: u64, own: u64, python: &Interpreter, walk: &mut StackWalk) -> bool {
    walk.read(state, THREAD_BYTES as u32).is_some()
        && own.wrapping_sub(word_of_block(walk, python.thread_id))
            <= u64::from(THREAD_DESCRIPTOR_BYTES.load())
}

/// Collects the frames from the innermost one on; returns the stack's number.
#[inline(always)]
fn collect_python_frames(
    innermost: u64,
    python: &Interpreter,
    walk: &mut StackWalk,
    mut thread: TracedThread,
    interpreter: u32,
) -> u64 {
    let mut digest = u64::from(interpreter);
    let mut count = 0;
    let mut frame = innermost;
    let mut outermost = innermost;
    let below = bytes_below(thread);
    walk.forget();
    // One path through each iteration, so that the verifier need not follow every combination.
    for place in 0..MAX_FRAMES {
        if frame == 0 || load_python_frame(walk, frame, below).is_none() {
            break;
        }
        outermost = frame;
        let mask = !TAG & unless_owned_by_c(python, walk, frame);
        let found = WalkedFrame {
            code: walk.member(frame, python.frame_code) & mask,
            instruction: walk.member(frame, python.frame_instruction),
        };
        digest = add_to_digest(add_to_digest(digest, found.code), found.instruction);
        walk.python.frames[place] = found;
        frame = walk.member(frame, python.frame_previous);
        count = place as u32 + 1;
    }
    if count == 0 {
        return 0;
    }
    thread.get_mut().frames_span = innermost.wrapping_sub(outermost);
    walk.python.count = count;
    walk.python.is_cut = u32::from(frame != 0);
    add_to_digest(digest, u64::from(walk.python.is_cut)) | 1
}

/// How far below a frame to read its callers with it: as far as the thread's last stack reached. Frames of other
/// chunks of the interpreter's stack lie anywhere.
#[inline(always)]
fn bytes_below(thread: TracedThread) -> u64 {
    const LEAST: u64 = (WINDOW_BYTES - FRAME_BYTES) as u64;
    const MOST: u64 = (MOST_WINDOW_BYTES - FRAME_BYTES) as u64;
    let span = thread.get().frames_span;
    if span > MOST { LEAST } else { span.max(LEAST) }
}

/// Makes sure that a frame is in the block, with its callers: they lie below it.
#[inline(always)]
fn load_python_frame(walk: &mut StackWalk, frame: u64, below: u64) -> Option<()> {
    let bytes = FRAME_BYTES as u64;
    walk.load(frame, bytes, below, bytes)
}

/// 0 if the frame stands for C code, else a mask with all bits set.
#[inline(always)]
fn unless_owned_by_c(python: &Interpreter, walk: &StackWalk, frame: u64) -> u64 {
    let owner = (walk.member(frame, python.frame_owner) >> (8 * (python.frame_owner & 7))) & 0xff;
    let below = (owner as i64).wrapping_sub(i64::from(python.skipped_owner));
    (below >> 63) as u64
}

/// The word at an offset, in bytes, of the block.
#[inline(always)]
fn word_of_block(walk: &StackWalk, offset: u32) -> u64 {
    walk.block[(offset as usize / 8) & (THREAD_BYTES / 8 - 1)]
}
