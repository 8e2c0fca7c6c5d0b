//! Native stacks: the calls that led to a write, which the kernel side finds by frame pointers.

/// Most calls of a stack: the innermost ones are kept.
pub const MAX_CALLS: usize = 64;

/// Most distinct stacks: 4.3 MiB.
pub const NATIVE_STACKS: u32 = 8_192;

/// Bytes that a frame pointer points to: the caller's frame pointer and the return address, on x86-64
/// (the ABI's section 3.2.2) and on arm64 (AAPCS64, 6.4.6).
pub const RECORD_BYTES: u64 = 16;

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum WalkEnd {
    /// At a frame pointer of 0: the outermost frame.
    Outermost = 0,
    /// At [`MAX_CALLS`], before the outermost frame.
    Limit = 1,
    /// At a word that cannot be a frame pointer.
    Lost = 2,
}

/// The calls that led to an instruction, innermost first.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct NativeStack {
    /// Number of return addresses.
    pub count: u32,
    /// One of [`WalkEnd`].
    pub end: u32,
    /// Return address of a function that has no frame of its own: on x86-64 the word at the stack
    /// pointer if it follows a call instruction, else 0; on arm64 the link register.
    pub link: u64,
    /// Return addresses; ignore those past `count`.
    pub returns: [u64; MAX_CALLS],
}

const _: () = assert!(size_of::<NativeStack>() == 528);
