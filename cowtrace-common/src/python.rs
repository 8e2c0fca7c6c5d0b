//! Python frames: what the kernel side must know of an interpreter to walk them, and what it finds.

/// Frames that are kept of a stack, the innermost ones.
pub const MAX_FRAMES: usize = 32;

/// Interpreters that are told apart at a time; number 0 means "none".
pub const INTERPRETERS: u32 = 64;

/// Different stacks that are kept: 4.5 MiB.
pub const PYTHON_STACKS: u32 = 8_192;

/// The part of a thread's state (`PyThreadState`) that the members below lie in, bytes.
pub const THREAD_BYTES: usize = 256;
/// What is read at once of the memory that frames lie in, mostly one after the other: some six of
/// them, bytes.
pub const WINDOW_BYTES: usize = 1024;
/// The part of a frame (`_PyInterpreterFrame`) that the members below lie in, bytes.
pub const FRAME_BYTES: usize = 80;

/// An interpreter, as the user side found it in a process: addresses in the process, offsets in
/// bytes. CPython 3.11 and later; members by the names of its sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Interpreter {
    /// Address of `PyInterpreterState.threads.head`; 0 while the number is not in use.
    pub threads_head: u64,
    /// Offset of `next` in the thread's state.
    pub thread_next: u32,
    /// Offset of `thread_id` in it: what `pthread_self` returned.
    pub thread_id: u32,
    /// Offset of `current_frame` in it, or of `cframe` where there is one (3.11, 3.12).
    pub thread_frame: u32,
    /// 1 where `thread_frame` is that of `cframe`.
    pub has_cframe: u32,
    /// Offset of `current_frame` in `_PyCFrame`.
    pub cframe_frame: u32,
    /// Offset of `f_code` or `f_executable` in a frame.
    pub frame_code: u32,
    /// Offset of `previous` in it.
    pub frame_previous: u32,
    /// Offset of `prev_instr` or `instr_ptr` in it.
    pub frame_instruction: u32,
    /// Offset of `owner` in it.
    pub frame_owner: u32,
    /// Frames with this owner or a higher one stand for C code: their code is told as 0.
    pub skipped_owner: u32,
}

const _: () = assert!(size_of::<Interpreter>() == 48);

/// A frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct WalkedFrame {
    /// Address of the code object.
    pub code: u64,
    /// Address of the bytecode instruction it is at.
    pub instruction: u64,
}

/// A stack of frames, the innermost first.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct PythonStack {
    /// How many frames there are.
    pub count: u32,
    /// 1 if there were more.
    pub is_cut: u32,
    /// The frames; those past `count` mean nothing.
    pub frames: [WalkedFrame; MAX_FRAMES],
}

const _: () = assert!(size_of::<PythonStack>() == 520);
