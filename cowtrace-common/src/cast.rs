//! Plain loads of kernel memory: the call after which the verifier allows reads at an address.

/// Placeholder in the object for the id of the kernel function `bpf_rdonly_cast` (Linux 6.2). The user
/// side replaces it by the running kernel's id. No helper has this number.
pub const CAST_CALL: u32 = 0x0077_6f63;
