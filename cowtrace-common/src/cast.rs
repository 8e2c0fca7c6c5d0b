//! Plain loads of kernel memory: the call that makes an address one that the verifier lets be read.

/// Stands for the number of the kernel's function `bpf_rdonly_cast` (Linux 6.2) in the object. The
/// user side puts the running kernel's own in its place; no helper has this number.
pub const CAST_CALL: u32 = 0x0077_6f63;
