//! Backend `trampoline`: entry and exit of functions, with typed arguments (fentry, fexit).

use aya_ebpf::{
    EbpfContext as _,
    programs::{FEntryContext, FExitContext},
};

use super::function;
use crate::{
    kernel::{KernelPage, VmFault, Vma},
    thread::Turn,
    walk::Hook,
};

/// `do_wp_page(vmf)` begins.
#[inline(always)]
pub fn write_begun(ctx: &FEntryContext, turn: Turn) -> i32 {
    let fault = VmFault(ctx.arg(0));
    // SAFETY: the address comes from a typed argument.
    function::write_begun(ctx.pid(), turn, fault, || unsafe { fault.flags_unread() });
    0
}

/// `do_wp_page(vmf)` returns.
#[inline(always)]
pub fn write_ended(ctx: &FExitContext, turn: Turn) -> i32 {
    function::write_ended(ctx.pid(), Hook::Write, turn, ctx.arg(1));
    0
}

/// `finish_fault(vmf)` begins.
#[inline(always)]
pub fn finish_begun(ctx: &FEntryContext, turn: Turn) -> i32 {
    function::finish_begun(ctx.pid(), turn, VmFault(ctx.arg(0)));
    0
}

/// `finish_fault(vmf)` returns.
#[inline(always)]
pub fn finish_ended(ctx: &FExitContext, turn: Turn) -> i32 {
    function::finish_ended(ctx.pid(), turn);
    0
}

/// `folio_add_new_anon_rmap(folio, vma, address, …)`, `page_add_new_anon_rmap(page, …)`.
#[inline(always)]
pub fn page_mapped(ctx: &FEntryContext, turn: Turn) -> i32 {
    function::page_mapped(
        ctx.pid(),
        turn,
        KernelPage(ctx.arg(0)),
        Vma(ctx.arg(1)),
        ctx.arg(2),
    );
    0
}

/// `hugetlb_wp(vmf)`, `hugetlb_wp(folio, vmf)`: `FAULT` is the number of the argument `vmf`.
#[inline(always)]
pub fn huge_write_begun<const FAULT: usize>(ctx: &FEntryContext, turn: Turn) -> i32 {
    let fault = VmFault(ctx.arg(FAULT));
    if let (Ok(vma), Ok(address)) = (fault.vma(), fault.address()) {
        function::huge_write_begun(ctx.pid(), turn, vma, address);
    }
    0
}

/// `hugetlb_cow(mm, vma, address, …)`, as `hugetlb_wp` was called before Linux 5.14.
#[inline(always)]
pub fn huge_write_begun_by_arguments(ctx: &FEntryContext, turn: Turn) -> i32 {
    function::huge_write_begun(ctx.pid(), turn, Vma(ctx.arg(1)), ctx.arg(2));
    0
}

/// `hugetlb_wp` returns. Its result is not read: its place differs between kernels.
#[inline(always)]
pub fn huge_write_ended(ctx: &FExitContext, turn: Turn) -> i32 {
    function::write_ended(ctx.pid(), Hook::HugeWrite, turn, 0);
    0
}

/// `hugetlb_add_new_anon_rmap(folio, vma, address)`, `hugepage_add_new_anon_rmap(page, …)`.
#[inline(always)]
pub fn huge_page_mapped(ctx: &FEntryContext, turn: Turn) -> i32 {
    function::huge_page_mapped(
        ctx.pid(),
        turn,
        KernelPage(ctx.arg(0)),
        Vma(ctx.arg(1)),
        ctx.arg(2),
    );
    0
}
