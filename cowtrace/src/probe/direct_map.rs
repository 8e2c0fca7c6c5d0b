//! Finds the kernel's mapping of physical memory, through which the kernel side reads a process's memory
//! without the process's own translations (x86-64).
//!
//! The address differs from boot to boot, and not every kernel shows its symbol (`page_offset_base`). So
//! this process puts a mark into one of its pages, and a program follows this process's page tables from
//! one possible base after another until they lead to the mark. That needs neither kernel symbols nor page
//! frame numbers, which take more capabilities.

use std::{
    hash::{BuildHasher as _, RandomState},
    hint,
    mem::offset_of,
    sync::atomic::Ordering::Acquire,
};

use aya::{
    Ebpf,
    maps::Map,
    programs::{RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use cowtrace_common::{
    direct_map::{BASE_ALIGNMENT, DirectMap, MARK_WORDS, TRIES},
    object::{global, map, program},
};

use super::{
    btf::{Btf, BtfError},
    error::ProbeError,
    offsets::Globals,
    programs,
    shared::SharedArray,
};

/// The program that searches.
const PROGRAM: &str = program::FIND_DIRECT_MAP.first;
/// Most physical memory of a machine, bytes: 4 levels of page tables map no more.
const MOST_BYTES: u64 = 64 << 40;
/// Bits 12 to 51 of a page table's entry are the address (Intel's manual, volume 3, 4.5; AMD's, volume 2, 5.3).
const ADDRESS_BITS: u64 = 0x000f_ffff_ffff_f000;

/// The globals that the program reads.
pub(super) fn direct_map_globals(btf: &Btf) -> Result<Globals, BtfError> {
    Ok(vec![(global::MM_PGD, btf.offset("mm_struct", "pgd")?)])
}

/// Searches for the mapping; whether it was found.
pub(super) fn find_direct_map(ebpf: &mut Ebpf) -> Result<bool, ProbeError> {
    let Some(Map::Array(data)) = ebpf.map(map::DIRECT_MAP) else {
        return Err(ProbeError::NoMap(map::DIRECT_MAP));
    };
    let answer = SharedArray::map(data.fd(), 1, size_of::<DirectMap>()).map_err(|error| {
        ProbeError::Mapping {
            name: map::DIRECT_MAP,
            error,
        }
    })?;
    programs::load_program(ebpf, PROGRAM)?;
    let program = programs::raw_tracepoint(ebpf, PROGRAM)?;
    let marked = Marked::new();
    let found = search_direct_map(program, &marked, || {
        answer.u64(0, offset_of!(DirectMap, base)).load(Acquire) != 0
    });
    hint::black_box(&marked);
    program.unload().map_err(ProbeError::program(PROGRAM))?;
    found
}

fn search_direct_map(
    program: &RawTracePoint,
    marked: &Marked,
    is_found: impl Fn() -> bool,
) -> Result<bool, ProbeError> {
    let bases = MOST_BYTES / BASE_ALIGNMENT;
    for first_try in (0..bases).step_by(TRIES as usize) {
        let mut args = [0; 12];
        args[..5].copy_from_slice(&[
            marked.address(),
            marked.mark[0],
            marked.mark[1],
            ADDRESS_BITS & !encryption_bit(),
            first_try,
        ]);
        program
            .test_run(RawTracePointRunOptions { args, cpu: None })
            .map_err(ProbeError::program(PROGRAM))?;
        if is_found() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Memory of this process with a random mark.
struct Marked {
    memory: Box<[u64; MARK_WORDS]>,
    mark: [u64; MARK_WORDS],
}

impl Marked {
    fn new() -> Self {
        let random = RandomState::new();
        let mark = std::array::from_fn(|word| random.hash_one(word) | 1);
        Self {
            memory: Box::new(mark),
            mark,
        }
    }

    fn address(&self) -> u64 {
        self.memory.as_ptr().addr() as u64
    }
}

/// The bit of a page table's entry that marks encrypted memory and does not belong to the address (SME,
/// SEV: CPUID function `8000_001f`); 0 on processors without it.
fn encryption_bit() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__cpuid, __get_cpuid_max};

        const FUNCTION: u32 = 0x8000_001f;
        const SME_OR_SEV: u32 = 0b11;
        let (highest, _) = __get_cpuid_max(0x8000_0000);
        if highest < FUNCTION {
            return 0;
        }
        let answer = __cpuid(FUNCTION);
        if answer.eax & SME_OR_SEV != 0 {
            return 1 << (answer.ebx & 63);
        }
    }
    0
}
