//! Native stacks: what the kernel side finds of the calls that led to a write, by following frame
//! pointers.

/// Calls that are kept of a stack, the innermost ones.
pub const MAX_CALLS: usize = 64;

/// Different stacks that are kept: 4.3 MiB.
pub const NATIVE_STACKS: u32 = 8_192;

/// What a frame pointer points to: the caller's frame pointer and the return address, on x86-64 (the
/// ABI's section 3.2.2) as on arm64 (AAPCS64, 6.4.6), bytes.
pub const RECORD_BYTES: u64 = 16;

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum WalkEnd {
    /// At a frame pointer of 0: the outermost frame.
    Outermost = 0,
    /// At [`MAX_CALLS`]; there are more.
    Limit = 1,
    /// What stood for a frame pointer was none.
    Lost = 2,
}

/// The calls that led to an instruction, the innermost first.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct NativeStack {
    /// How many return addresses there are.
    pub count: u32,
    /// One of [`WalkEnd`].
    pub end: u32,
    /// Where the function returns to if it has no frame of its own: on x86-64 the word at the stack
    /// pointer if it comes after a call, else 0; on arm64 the link register.
    pub link: u64,
    /// Return addresses; those past `count` mean nothing.
    pub returns: [u64; MAX_CALLS],
}

const _: () = assert!(size_of::<NativeStack>() == 528);
