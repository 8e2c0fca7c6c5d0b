//! A process's memory, read from outside without stopping it (`process_vm_readv(2)`).

use std::io::IoSliceMut;

use nix::{
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};

/// Fills the buffer from an address; false if the process is gone or not all of it is mapped.
#[must_use]
pub fn read(pid: u32, address: u64, buffer: &mut [u8]) -> bool {
    let (Ok(pid), Ok(base)) = (i32::try_from(pid), usize::try_from(address)) else {
        return false;
    };
    let len = buffer.len();
    let remote = [RemoteIoVec { base, len }];
    process_vm_readv(Pid::from_raw(pid), &mut [IoSliceMut::new(buffer)], &remote) == Ok(len)
}

/// A word at an address.
#[must_use]
pub fn read_word(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    read(pid, address, &mut bytes).then(|| u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_read_and_garbage_is_not() {
        let pid = std::process::id();
        let word = 0x1122_3344_5566_7788u64;
        assert_eq!(read_word(pid, std::ptr::from_ref(&word) as u64), Some(word));
        assert_eq!(read_word(pid, 8), None);
        assert_eq!(read_word(pid, u64::MAX - 3), None);
        assert_eq!(read_word(u32::MAX, 8), None);
    }
}
