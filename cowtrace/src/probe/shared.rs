//! BPF arrays as memory of this process: reading a counter needs no system call.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    sync::atomic::{AtomicU16, AtomicU32, AtomicU64},
};

use nix::{
    libc::c_void,
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
};

/// A mappable array (`BPF_F_MMAPABLE`) of fixed-size elements, mapped into this process.
///
/// The kernel side writes it at the same time, so all access is atomic.
pub(super) struct SharedArray {
    base: NonNull<c_void>,
    bytes: usize,
    stride: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and all access is atomic.
unsafe impl Send for SharedArray {}

impl SharedArray {
    /// Maps `elements` elements of `element_bytes` bytes.
    pub(super) fn map(fd: impl AsFd, elements: u32, element_bytes: usize) -> io::Result<Self> {
        // The kernel rounds elements up to 8 bytes (kernel/bpf/arraymap.c).
        let stride = element_bytes.next_multiple_of(8);
        let bytes = stride * elements as usize;
        let length = NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses; it replaces nothing.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Self {
            base,
            bytes,
            stride,
        })
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.bytes / self.stride
    }

    /// The 8-byte word at a byte offset of an element.
    ///
    /// # Panics
    /// If the element or the offset is out of bounds.
    pub(super) fn u64(&self, element: usize, offset: usize) -> &AtomicU64 {
        let word = self.place(element, offset, 8);
        // SAFETY: in bounds and aligned (`place`), mapped as long as `self` lives.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }

    /// The 4-byte word at a byte offset of an element.
    ///
    /// # Panics
    /// If the element or the offset is out of bounds.
    pub(super) fn u32(&self, element: usize, offset: usize) -> &AtomicU32 {
        let word = self.place(element, offset, 4);
        // SAFETY: in bounds and aligned (`place`), mapped as long as `self` lives.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// The 2-byte word at a byte offset of an element.
    ///
    /// # Panics
    /// If the element or the offset is out of bounds.
    pub(super) fn u16(&self, element: usize, offset: usize) -> &AtomicU16 {
        let word = self.place(element, offset, 2);
        // SAFETY: in bounds and aligned (`place`), mapped as long as `self` lives.
        unsafe { AtomicU16::from_ptr(word.cast()) }
    }

    fn place(&self, element: usize, offset: usize, size: usize) -> *mut u8 {
        let at = element * self.stride + offset;
        assert!(
            offset + size <= self.stride && at + size <= self.bytes && offset.is_multiple_of(size),
            "element {element}, offset {offset} is outside of the array"
        );
        // SAFETY: within the mapping, as just asserted.
        unsafe { self.base.as_ptr().cast::<u8>().add(at) }
    }
}

impl Drop for SharedArray {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` mapped; no reference into it outlives `self`.
        let unmapped = unsafe { munmap(self.base, self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}
