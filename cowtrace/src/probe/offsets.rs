//! Offsets of members of kernel structures, for the kernel side's globals. Each backend looks up only those
//! that it reads, so that a kernel that lacks one can still run the other backends.

use cowtrace_common::object::global;

use super::btf::{Btf, BtfError};

/// Values of the kernel side's globals, by name: offsets in bytes, and values derived from them.
pub(super) type Globals = Vec<(&'static str, u32)>;

/// The kernel's structure for a page of memory (`include/linux/mm_types.h`).
const PAGE_STRUCT: &str = "page";

/// For following processes, on every backend.
pub(super) fn of_tasks(btf: &Btf) -> Result<Globals, BtfError> {
    Ok(vec![
        (global::TASK_PID, btf.offset("task_struct", "pid")?),
        (global::TASK_TGID, btf.offset("task_struct", "tgid")?),
        (global::TASK_MM, btf.offset("task_struct", "mm")?),
    ])
}

/// For how processes end, on every backend (`oom_mm` since Linux 4.9).
pub(super) fn of_exits(btf: &Btf) -> Result<Globals, BtfError> {
    Ok(vec![
        (
            global::TASK_EXIT_CODE,
            btf.offset("task_struct", "exit_code")?,
        ),
        (global::TASK_SIGNAL, btf.offset("task_struct", "signal")?),
        (
            global::SIGNAL_OOM_MM,
            btf.offset("signal_struct", "oom_mm")?,
        ),
    ])
}

/// For finding a thread's user-mode instruction. The names of registers differ between architectures.
pub(super) fn of_writers(btf: &Btf, page_bytes: u64) -> Result<Globals, BtfError> {
    let (_, instruction) = btf.first_offset("pt_regs", &["ip", "pc"])?;
    let (_, call) = btf.first_offset("pt_regs", &["orig_ax", "syscallno"])?;
    Ok(vec![
        (global::REGS_IP, instruction),
        (global::REGS_CALL, call),
        (global::TASK_STACK, btf.offset("task_struct", "stack")?),
        (
            global::STACK_REGISTERS,
            stack_bytes(page_bytes) - stack_padding(btf) - btf.struct_bytes("pt_regs")?,
        ),
    ])
}

/// Most bytes of a thread's descriptor, which ends at arm64's thread pointer: `struct pthread` has 1,856 bytes in
/// glibc 2.36, and a few hundred in musl.
const DESCRIPTOR_BYTES: u32 = 4096;

/// For walking Python frames: the thread pointer, which identifies a thread. `pthread_self` returns it on
/// x86-64, and on arm64 the start of the thread's descriptor, which ends there.
pub(super) fn of_python(btf: &Btf) -> Result<Globals, BtfError> {
    let thread = btf.offset("task_struct", "thread")?;
    let (pointer, descriptor) = match btf.offset("thread_struct", "fsbase") {
        Ok(pointer) => (pointer, 0),
        Err(_) => (
            btf.inner_offset("thread_struct", "uw", "tp_value")?,
            DESCRIPTOR_BYTES,
        ),
    };
    Ok(vec![
        (global::TASK_THREAD_POINTER, thread + pointer),
        (global::THREAD_DESCRIPTOR_BYTES, descriptor),
        (global::WALK_PYTHON, 1),
    ])
}

/// For following frame pointers, beside [`of_writers`]. On arm64 the registers are an array: x29 is the
/// frame pointer, x30 the link register.
pub(super) fn of_native(btf: &Btf) -> Result<Globals, BtfError> {
    let (name, first) = btf.first_offset("pt_regs", &["bp", "regs"])?;
    let (frame, link) = match name {
        "bp" => (first, 0),
        _ => (first + 29 * 8, first + 30 * 8),
    };
    Ok(vec![
        (global::REGS_SP, btf.offset("pt_regs", "sp")?),
        (global::REGS_FP, frame),
        (global::REGS_LINK, link),
        (global::WALK_NATIVE, 1),
    ])
}

/// Size of a kernel stack (`THREAD_SIZE`), bytes: 16 KiB, or a page if that is larger.
fn stack_bytes(page_bytes: u64) -> u32 {
    u32::try_from(page_bytes).unwrap_or(0).max(16 << 10)
}

/// Bytes that the kernel leaves free above the registers (`TOP_OF_KERNEL_STACK_PADDING`, x86-64): two words
/// if it is built for FRED, a newer way to enter the kernel (Linux 6.9, Debian's kernels from 6.19 on).
fn stack_padding(btf: &Btf) -> u32 {
    if btf.parameters("fred_entry_from_user").is_some() {
        16
    } else {
        0
    }
}

/// For distinguishing a fault from what follows it, by its registers (x86-64).
pub(super) fn of_registers(btf: &Btf) -> Result<Globals, BtfError> {
    // `ip` is the next word (arch/x86/include/uapi/asm/ptrace.h).
    Ok(vec![(
        global::REGS_ORIG_AX,
        btf.offset("pt_regs", "orig_ax")?,
    )])
}

/// For reading a fault in the functions that handle it.
pub(super) fn of_faults(btf: &Btf) -> Result<Globals, BtfError> {
    let (head, head_at) = btf.first_offset(PAGE_STRUCT, &["compound_head", "compound_info"])?;
    Ok(vec![
        (global::VMF_VMA, btf.offset("vm_fault", "vma")?),
        (global::VMF_FLAGS, btf.offset("vm_fault", "flags")?),
        (global::VMF_ADDRESS, btf.offset("vm_fault", "address")?),
        (
            global::VMF_REAL_ADDRESS,
            btf.first_offset("vm_fault", &["real_address", "address"])?
                .1,
        ),
        (global::VMF_PAGE, btf.offset("vm_fault", "page")?),
        (global::VMF_COW_PAGE, btf.offset("vm_fault", "cow_page")?),
        (global::VMA_MM, btf.offset("vm_area_struct", "vm_mm")?),
        (global::VMA_FLAGS, btf.offset("vm_area_struct", "vm_flags")?),
        // Kernels without memory cgroups do not store an address space's owner.
        (
            global::MM_OWNER,
            btf.offset("mm_struct", "owner").unwrap_or(0),
        ),
        (global::PAGE_MAPPING, btf.offset(PAGE_STRUCT, "mapping")?),
        (global::PAGE_HEAD, head_at),
        (
            global::PAGE_HEAD_IS_MASK,
            u32::from(head == "compound_info"),
        ),
        (global::PAGE_STRUCT_BYTES, btf.struct_bytes(PAGE_STRUCT)?),
        (global::FOLIO_PAGES, folio_pages(btf)?),
    ])
}

/// Offset from the head page of a folio's number of pages: in `struct folio` under one of two names; before
/// Linux 5.18 in the second page.
fn folio_pages(btf: &Btf) -> Result<u32, BtfError> {
    let members = ["_nr_pages", "_folio_nr_pages"];
    if let Ok((_, offset)) = btf.first_offset("folio", &members) {
        return Ok(offset);
    }
    let page_bytes = btf.struct_bytes(PAGE_STRUCT)?;
    Ok(page_bytes + btf.offset(PAGE_STRUCT, "compound_nr")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::btf::tests::{of_arm64, of_kernel};

    #[test]
    fn offsets_of_several_kernels_are_found() {
        // vma, flags, address, page of vm_fault; mm and flags of vm_area_struct; owner.
        let known = [
            ("5.10", [0, 8, 24, 64, 64, 80, 912]),
            ("6.1", [0, 40, 24, 80, 16, 32, 928]),
            ("6.12", [0, 40, 24, 80, 16, 32, 1152]),
            ("7.0", [0, 40, 24, 80, 16, 32, 1512]),
            ("7.3", [0, 40, 24, 80, 16, 32, 1528]),
        ];
        for (kernel, expected) in known {
            let globals = of_faults(&of_kernel(kernel)).unwrap();
            let value = |wanted: &str| globals.iter().find(|(name, _)| *name == wanted).unwrap().1;
            let found = [
                global::VMF_VMA,
                global::VMF_FLAGS,
                global::VMF_ADDRESS,
                global::VMF_PAGE,
                global::VMA_MM,
                global::VMA_FLAGS,
                global::MM_OWNER,
            ]
            .map(value);
            assert_eq!(found, expected, "{kernel}");
            assert_eq!(
                (value(global::PAGE_MAPPING), value(global::PAGE_HEAD)),
                (24, 8),
                "{kernel}"
            );
            assert_eq!(value(global::PAGE_HEAD_IS_MASK), u32::from(kernel == "7.3"));
            // Within the second page of a folio.
            assert!((64..128).contains(&value(global::FOLIO_PAGES)), "{kernel}");
            assert!(
                of_tasks(&of_kernel(kernel)).is_ok() && of_registers(&of_kernel(kernel)).is_ok()
            );
        }
    }

    #[test]
    fn registers_lie_below_the_padding_of_the_stack() {
        for (kernel, padding) in [("6.1", 0), ("6.12", 0), ("6.19", 16), ("7.3", 16)] {
            let btf = of_kernel(kernel);
            let globals = of_writers(&btf, 4096).unwrap();
            let registers = globals
                .iter()
                .find(|(name, _)| *name == global::STACK_REGISTERS)
                .unwrap()
                .1;
            assert_eq!(
                registers,
                16_384 - padding - btf.struct_bytes("pt_regs").unwrap()
            );
        }
    }

    #[test]
    fn the_frame_pointer_is_found() {
        for kernel in ["5.10", "6.1", "6.12", "7.3"] {
            let globals = of_native(&of_kernel(kernel)).unwrap();
            // bp and sp of x86-64, which has no link register.
            assert_eq!(
                globals[..3],
                [
                    (global::REGS_SP, 152),
                    (global::REGS_FP, 32),
                    (global::REGS_LINK, 0)
                ],
                "{kernel}"
            );
        }
    }

    #[test]
    fn a_thread_pointer_on_arm64_is_the_first_of_its_structure() {
        let btf = of_arm64();
        let thread = btf.offset("task_struct", "thread").unwrap();
        let context = btf.offset("thread_struct", "uw").unwrap();
        let globals = of_python(&btf).unwrap();
        assert_eq!(
            globals[..2],
            [
                (global::TASK_THREAD_POINTER, thread + context),
                (global::THREAD_DESCRIPTOR_BYTES, DESCRIPTOR_BYTES)
            ]
        );
        assert!(thread > 0 && context > 0);
        let next = btf.inner_offset("thread_struct", "uw", "tp2_value");
        assert_eq!(next.unwrap(), context + 8);
        let absent = btf.inner_offset("thread_struct", "uw", "fsbase");
        let error = absent.unwrap_err().to_string();
        assert!(error.contains("thread_struct has no member uw.fsbase"));
    }

    #[test]
    fn the_running_kernels_offsets_are_plausible() {
        let Ok(btf) = Btf::of_running_kernel() else {
            eprintln!("skipped: this kernel has no BTF");
            return;
        };
        let tasks = of_tasks(&btf).unwrap();
        assert_eq!(tasks[1].1, tasks[0].1 + 4, "tgid follows pid");
        let exits = of_exits(&btf).unwrap();
        assert!(exits.iter().all(|(_, offset)| (1..16_384).contains(offset)));
        let faults = of_faults(&btf).unwrap();
        assert!(faults.iter().all(|(_, offset)| *offset < 8192));
        if cfg!(target_arch = "x86_64") {
            let registers = of_registers(&btf).unwrap();
            assert_eq!(btf.offset("pt_regs", "ip").unwrap(), registers[0].1 + 8);
        }
    }
}
