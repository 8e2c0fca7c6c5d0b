//! What the write is: by the instruction that faulted, its registers, and what is there before it.

use aya_ebpf::helpers::bpf_probe_read_user;
use cowtrace_common::{
    evidence::VERB_SHIFT,
    store::{KNOWN_STORES_SHIFT, KnownStore, SPARE_BITS, Store, Verb, changed_bits},
};

use super::words::{Words, are_values_wanted};
use crate::{kernel::SavedRegisters, maps, program::KnownProgram, thread::TracedThread};

/// What a write by user-mode code does, as bits of a record's flags: 0 if that is not known. The write has not
/// happened yet. With the bits that it changes, if they are sent.
#[inline(always)]
pub fn verb_of(
    thread: TracedThread,
    program: KnownProgram,
    registers: SavedRegisters,
    instruction: u64,
    address: u64,
    words: &Words,
) -> (u32, u64) {
    // Checked first: the verifier then removes the rest where this trace does not find out what stores do.
    if !are_values_wanted() || instruction == 0 {
        return (0, 0);
    }
    let Some(old) = words.value_at(address) else {
        return (0, 0);
    };
    let store = store_at(thread, program, instruction);
    let operand = match store.register() {
        Some(number) => registers.general(number),
        None => 0,
    };
    let verb = Verb::of(store, old, operand, || registers.general(0));
    let mut changed = 0;
    if words.are_values {
        changed = changed_bits(store, old, operand, || registers.general(0));
    }
    ((verb as u32) << VERB_SHIFT, changed)
}

/// The store at an instruction. Decoded once as long as no other takes its place in the cache.
#[inline(always)]
fn store_at(thread: TracedThread, program: KnownProgram, instruction: u64) -> Store {
    let image = u64::from(program.image);
    let mixed = (instruction ^ (image << 32) ^ image).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let Some(known) = maps::known_store((mixed >> (64 - KNOWN_STORES_SHIFT)) as u32) else {
        return Store::default();
    };
    // Two processors may write at once: what is of two instructions fits neither.
    let mark = (mixed >> 8) & SPARE_BITS;
    // SAFETY: a pointer into a live map value, which is only read and written by word.
    let (at, store) = unsafe {
        (
            (&raw const (*known).instruction).read_volatile(),
            (&raw const (*known).store).read_volatile(),
        )
    };
    if at == instruction && store & SPARE_BITS == mark {
        return Store(store & !SPARE_BITS);
    }
    let Some(store) = decode_at(thread, instruction) else {
        return Store::default();
    };
    // SAFETY: as above.
    unsafe {
        (&raw mut (*known).instruction).write_volatile(instruction);
        (&raw mut (*known).store).write_volatile(store.0 | mark);
    }
    store
}

/// Reads the instruction; `None` if that is not possible here.
#[inline(always)]
fn decode_at(mut thread: TracedThread, instruction: u64) -> Option<Store> {
    // A page fault by this read is none of the traced thread's.
    thread.get_mut().is_reading = 1;
    // SAFETY: the helper checks the address and fails with EFAULT on a bad one.
    let code = unsafe { bpf_probe_read_user(instruction as *const KnownStore) };
    thread.get_mut().is_reading = 0;
    let code = code.ok()?;
    #[cfg(bpf_target_arch = "aarch64")]
    let store = cowtrace_common::store::decode_aarch64(code.instruction as u32);
    #[cfg(not(bpf_target_arch = "aarch64"))]
    let store = cowtrace_common::store::decode_x86_64(code.instruction, code.store);
    Some(store)
}

const _: () = assert!(size_of::<KnownStore>() == cowtrace_common::store::CODE_BYTES);
