//! Backend `kprobe`: entry and return of functions, with arguments in registers.

use aya_ebpf::{
    EbpfContext as _,
    programs::{ProbeContext, RetProbeContext},
};

use super::function;
use crate::{
    kernel::{KernelPage, VmFault, Vma},
    thread::Turn,
    walk::Hook,
};

/// `do_wp_page(vmf)` begins.
#[inline(always)]
pub fn write_begun(ctx: &ProbeContext, turn: Turn) -> u32 {
    let fault = VmFault(register_argument::<0>(ctx));
    function::write_begun(ctx.pid(), turn, fault, || fault.flags().unwrap_or(0));
    0
}

/// `do_wp_page(vmf)` returns.
#[inline(always)]
pub fn write_ended(ctx: &RetProbeContext, turn: Turn) -> u32 {
    // A `vm_fault_t` in a 64-bit register: its upper half is undefined.
    function::write_ended(ctx.pid(), Hook::Write, turn, u64::from(ctx.ret::<u32>()));
    0
}

/// `finish_fault(vmf)` begins.
#[inline(always)]
pub fn finish_begun(ctx: &ProbeContext, turn: Turn) -> u32 {
    function::finish_begun(ctx.pid(), turn, VmFault(register_argument::<0>(ctx)));
    0
}

/// `finish_fault(vmf)` returns.
#[inline(always)]
pub fn finish_ended(ctx: &RetProbeContext, turn: Turn) -> u32 {
    function::finish_ended(ctx.pid(), turn);
    0
}

/// `folio_add_new_anon_rmap(folio, vma, address, …)`, `page_add_new_anon_rmap(page, …)`.
#[inline(always)]
pub fn page_mapped(ctx: &ProbeContext, turn: Turn) -> u32 {
    function::page_mapped(
        ctx.pid(),
        turn,
        KernelPage(register_argument::<0>(ctx)),
        Vma(register_argument::<1>(ctx)),
        register_argument::<2>(ctx),
    );
    0
}

/// `hugetlb_wp(vmf)`, `hugetlb_wp(folio, vmf)`: `FAULT` is the number of the argument `vmf`.
#[inline(always)]
pub fn huge_write_begun<const FAULT: usize>(ctx: &ProbeContext, turn: Turn) -> u32 {
    let fault = VmFault(register_argument::<FAULT>(ctx));
    if let (Ok(vma), Ok(address)) = (fault.vma(), fault.address()) {
        function::huge_write_begun(ctx.pid(), turn, vma, address);
    }
    0
}

/// `hugetlb_wp(mm, vma, address, …)` of Linux 5.14 to 6.9, `hugetlb_cow` before.
#[inline(always)]
pub fn huge_write_begun_by_arguments(ctx: &ProbeContext, turn: Turn) -> u32 {
    function::huge_write_begun(
        ctx.pid(),
        turn,
        Vma(register_argument::<1>(ctx)),
        register_argument::<2>(ctx),
    );
    0
}

/// `hugetlb_wp` returns.
#[inline(always)]
pub fn huge_write_ended(ctx: &RetProbeContext, turn: Turn) -> u32 {
    function::write_ended(
        ctx.pid(),
        Hook::HugeWrite,
        turn,
        u64::from(ctx.ret::<u32>()),
    );
    0
}

/// `hugetlb_add_new_anon_rmap(folio, vma, address)`, `hugepage_add_new_anon_rmap(page, …)`.
#[inline(always)]
pub fn huge_page_mapped(ctx: &ProbeContext, turn: Turn) -> u32 {
    let (page, vma) = (
        KernelPage(register_argument::<0>(ctx)),
        Vma(register_argument::<1>(ctx)),
    );
    function::huge_page_mapped(ctx.pid(), turn, page, vma, register_argument::<2>(ctx));
    0
}

/// An argument in a register.
#[inline(always)]
fn register_argument<const N: usize>(ctx: &ProbeContext) -> u64 {
    ctx.arg(N).unwrap_or(0)
}
