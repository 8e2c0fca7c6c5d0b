//! Python frames: what the kernel side must know about an interpreter to walk them, and what it finds.

/// Most frames of a stack: the innermost ones are kept.
pub const MAX_FRAMES: usize = 32;

/// Numbers for interpreters; number 0 means "none".
pub const INTERPRETERS: u32 = 64;

/// Most distinct stacks: 4.5 MiB.
pub const PYTHON_STACKS: u32 = 8_192;

/// Bytes at the start of a thread's state (`PyThreadState`) that contain the members below.
pub const THREAD_BYTES: usize = 256;
/// Bytes of frames that are read at once where nothing says how far they reach. Frames mostly lie side by side:
/// this is about six of them.
pub const WINDOW_BYTES: usize = 1024;
/// Most bytes of frames that are read at once: a page.
pub const MOST_WINDOW_BYTES: usize = 4096;
/// Bytes at the start of a frame (`_PyInterpreterFrame`) that contain the members below.
pub const FRAME_BYTES: usize = 80;

/// The interpreters that the user side found in a process: addresses in the process, offsets in bytes.
/// CPython 3.11 and later; member names are those of its sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Interpreter {
    /// Address of `_PyRuntime.interpreters.head`; 0 while the number is unused.
    pub interpreters_head: u64,
    /// Address of `_PyRuntime.gilstate.tstate_current`, the state in use by the thread that has the lock (3.11);
    /// 0 if there is none.
    pub current_thread: u64,
    /// What is set of the word at `thread_status` in a state that its thread uses (`_status.active`, 3.12 and later);
    /// 0 if states do not say that.
    pub active_bit: u64,
    /// Offset of `next` in an interpreter.
    pub interpreter_next: u32,
    /// Offset of `threads.head` in an interpreter.
    pub interpreter_threads: u32,
    /// Offset in a thread's state of the word that has `active_bit`.
    pub thread_status: u32,
    /// Offset of `next` in a thread's state.
    pub thread_next: u32,
    /// Offset of `thread_id` in a thread's state: what `pthread_self` returned.
    pub thread_id: u32,
    /// Offset in a thread's state of `current_frame`, or of `cframe` if it has one (3.11, 3.12).
    pub thread_frame: u32,
    /// 1 if `thread_frame` is the offset of `cframe`.
    pub has_cframe: u32,
    /// Offset of `current_frame` in `_PyCFrame`.
    pub cframe_frame: u32,
    /// Offset of `f_code` or `f_executable` in a frame.
    pub frame_code: u32,
    /// Offset of `previous` in a frame.
    pub frame_previous: u32,
    /// Offset of `prev_instr` or `instr_ptr` in a frame.
    pub frame_instruction: u32,
    /// Offset of `owner` in a frame.
    pub frame_owner: u32,
    /// Frames whose owner is this number or a higher one stand for C code: their code is stored as 0.
    pub skipped_owner: u32,
    /// Always 0.
    pub unused: u32,
}

const _: () = assert!(size_of::<Interpreter>() == 80);

/// A frame as the kernel side finds it: addresses without names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct WalkedFrame {
    /// Address of the code object.
    pub code: u64,
    /// Address of the bytecode instruction that it executes.
    pub instruction: u64,
}

/// A stack of frames, innermost first.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct PythonStack {
    /// Number of frames.
    pub count: u32,
    /// 1 if the outer frames are missing.
    pub is_cut: u32,
    /// The frames; ignore those past `count`.
    pub frames: [WalkedFrame; MAX_FRAMES],
}

const _: () = assert!(size_of::<PythonStack>() == 520);
