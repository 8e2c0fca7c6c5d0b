//! Reads of kernel memory: by the helper that checks the address, or by plain loads where the kernel allows
//! them.

use aya_ebpf::helpers::bpf_probe_read_kernel;

use super::cast;

/// Reads a member of a structure: `offset` bytes after `base`.
#[inline(always)]
pub fn read_member<T>(base: u64, offset: u32) -> Result<T, i32> {
    read_at(base + u64::from(offset))
}

/// Reads a value at a kernel address; an error if the address is bad.
#[inline(always)]
pub fn read_at<T>(address: u64) -> Result<T, i32> {
    // SAFETY: the helper checks the address and fails with EFAULT on a bad one.
    unsafe { bpf_probe_read_kernel(address as *const T) }
}

/// Reads one word of a structure, `offset` bytes after `base`, by a plain load if the kernel allows it: a bad
/// address gives 0 then.
#[inline(always)]
pub fn read_word(base: u64, offset: u32) -> Result<u64, i32> {
    let address = base + u64::from(offset);
    if cast::is_available() {
        let [word] = cast::kernel_words::<1>(address);
        return Ok(word);
    }
    read_at(address)
}
