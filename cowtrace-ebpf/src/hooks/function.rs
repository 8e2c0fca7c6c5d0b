//! What trampolines and kernel probes share: a fault as seen from the functions that handle it.
//!
//! `do_wp_page` handles a write to a protected page. It copied the page if it calls
//! `folio_add_new_anon_rmap`, which adds the new page's reverse mapping, for the same mapping and address:
//! that happens under the page-table lock, when nothing can fail any more. `hugetlb_wp` does the same for
//! hugetlbfs. `finish_fault` with a `cow_page` ends the first write to a page of a private file mapping.
//! mm/memory.c, mm/hugetlb.c, mm/rmap.c; from 5.10 to 7.3 the names of the reverse-mapping functions
//! changed, their order did not.

use cowtrace_common::{
    evidence::UNKNOWN_CALL,
    loss::Loss,
    process::Source,
    thread::{FAULT_BEGUN, FAULT_COPIED, FAULT_FIRST, HookEvent, Thread},
};

use crate::{
    evidence::{
        self, Moment, Words, Write, sampling,
        stacks::{self, StackNumbers},
        store, touches,
    },
    fault::{self, Begun},
    kernel::{FAULT_REMOTE, FAULT_USER, KernelPage, KernelTask, Mm, VmFault, Vma},
    maps,
    program::KnownProgram,
    thread::{TracedThread, Turn},
    walk::Hook,
};

/// Results which mean that the fault failed or will begin again: `VM_FAULT_OOM`, `SIGBUS`, `HWPOISON`,
/// `HWPOISON_LARGE`, `SIGSEGV`, `RETRY`, `FALLBACK`.
const NO_OUTCOME: u64 = 0x1 | 0x2 | 0x10 | 0x20 | 0x40 | 0x400 | 0x800;

/// `do_wp_page` begins. `flags` reads the fault's flags.
#[inline(always)]
pub fn write_begun(tid: u32, turn: Turn, fault: VmFault, flags: impl FnOnce() -> u32) {
    let Some(mut thread) = TracedThread::find(tid) else {
        if flags() & FAULT_REMOTE != 0 {
            begin_visit(tid, turn, fault);
        }
        return;
    };
    if !thread.is_to_handle(HookEvent::Begin, turn) {
        return;
    }
    if flags() & FAULT_REMOTE != 0 {
        write_for_another(thread, fault);
        return;
    }
    let charged = thread.get().process;
    begin_traced(thread, FAULT_BEGUN, fault, charged);
}

/// `do_wp_page` or `hugetlb_wp` returns.
#[inline(always)]
pub fn write_ended(tid: u32, hook: Hook, turn: Turn, result: u64) {
    let Some(thread) = TracedThread::find_for(tid, HookEvent::End, turn) else {
        return;
    };
    if evidence::is_taken() && thread.get().state == FAULT_COPIED {
        record_drawn_writer(thread, hook, turn);
    }
    if result & NO_OUTCOME == 0 {
        fault::end_fault(thread);
    } else {
        fault::abandon_fault(thread);
    }
    if thread.get().visitor != 0 {
        end_visit(tid, thread);
    }
}

/// `finish_fault` begins.
#[inline(always)]
pub fn finish_begun(tid: u32, turn: Turn, fault: VmFault) {
    let Some(thread) = TracedThread::find_for(tid, HookEvent::Begin, turn) else {
        return;
    };
    if fault.has_cow_page() && fault.flags().is_ok_and(|flags| flags & FAULT_REMOTE == 0) {
        let charged = thread.get().process;
        begin_traced(thread, FAULT_FIRST, fault, charged);
    }
}

/// `finish_fault` returns.
#[inline(always)]
pub fn finish_ended(tid: u32, turn: Turn) {
    if let Some(thread) = TracedThread::find_for(tid, HookEvent::End, turn) {
        if evidence::is_taken() && thread.get().state == FAULT_COPIED {
            record_drawn_writer(thread, Hook::FirstWrite, turn);
        }
        fault::abandon_fault(thread);
    }
}

/// A new anonymous page is mapped at an address. If the thread has an open fault there, this commits its
/// copy. Otherwise the page is new memory.
#[inline(always)]
pub fn page_mapped(tid: u32, turn: Turn, page: KernelPage, vma: Vma, address: u64) {
    let Some(thread) = TracedThread::find_for(tid, HookEvent::Copy, turn) else {
        return;
    };
    let open = thread.get();
    if open.witness == vma.0 && open.address == address {
        match open.state {
            FAULT_BEGUN => {
                fault::count_copy(thread, VmFault(open.anchor).source(), 1);
                return;
            }
            FAULT_FIRST => {
                fault::count_copy(thread, Source::File, 1);
                return;
            }
            _ => {}
        }
    }
    if !fault::counts_touches() {
        return;
    }
    let Some(charged) = toucher(thread, vma) else {
        return;
    };
    let pages = page.pages();
    fault::count_touch(thread, charged.slot, address, pages);
    if evidence::is_taken() && charged.is_own && touches::is_due(thread, pages) {
        touches::record_touch(thread, turn, address, pages);
    }
}

/// The address space that gets new memory.
struct Charged {
    /// Slot of its process.
    slot: u32,
    /// Whether it is the thread's own.
    is_own: bool,
}

/// The address space that gets new memory: the thread's own, or another's that it writes into. `None` for that
/// of a program which the thread is about to start.
#[inline(always)]
fn toucher(mut thread: TracedThread, vma: Vma) -> Option<Charged> {
    let mm = vma.mm().ok()?;
    if thread.get().own_mm == 0 {
        thread.get_mut().own_mm = KernelTask::current().mm().ok()?.0;
    }
    let own = thread.get();
    if own.own_mm == mm.0 {
        return Some(Charged {
            slot: own.process,
            is_own: own.visitor == 0,
        });
    }
    let owner = TracedThread::find(mm.owner()?)?;
    (owner.slot != thread.slot).then(|| Charged {
        slot: owner.get().process,
        is_own: false,
    })
}

/// `hugetlb_wp` begins.
#[inline(always)]
pub fn huge_write_begun(tid: u32, turn: Turn, vma: Vma, address: u64) {
    let Ok(mm) = vma.mm() else {
        maps::count_loss(Loss::PendingDropped, 1);
        return;
    };
    let mut traced = TracedThread::find(tid);
    if let Some(thread) = &mut traced
        && !thread.is_to_handle(HookEvent::Begin, turn)
    {
        return;
    }
    let remote = KernelTask::current().mm().is_ok_and(|own| own != mm);
    let charged = match traced {
        Some(thread) if !remote => Some(thread.get().process),
        _ => owner_of(mm),
    };
    let Some(charged) = charged else { return };
    let thread = match traced {
        Some(thread) => thread,
        None => match take_slot_for(tid, turn, charged) {
            Some(thread) => thread,
            None => return,
        },
    };
    let begun = Begun {
        state: FAULT_BEGUN,
        address,
        exact: address,
        flags: if remote { FAULT_REMOTE } else { FAULT_USER },
        anchor: 0,
        witness: vma.0,
        charged,
    };
    fault::begin_fault(thread, begun);
}

/// A new page of hugetlbfs is mapped: like [`page_mapped`]. `address` is the huge page's, which contains
/// the fault's.
#[inline(always)]
pub fn huge_page_mapped(tid: u32, turn: Turn, page: KernelPage, vma: Vma, address: u64) {
    let Some(mut thread) = TracedThread::find_for(tid, HookEvent::Copy, turn) else {
        return;
    };
    let open = thread.get();
    if open.state == FAULT_BEGUN && open.anchor == 0 && open.witness == vma.0 {
        thread.get_mut().address = address;
        fault::count_copy(thread, Source::Hugetlb, page.folio_pages());
    }
}

/// Records who wrote if the copy is drawn. A huge page stands for itself.
#[inline(always)]
fn record_drawn_writer(mut thread: TracedThread, hook: Hook, turn: Turn) {
    let fault = thread.get();
    if fault.pages > 1 {
        thread.get_mut().is_drawn = 1;
    } else {
        sampling::draw(thread, fault.charged, fault.address);
    }
    if sampling::is_drawn(thread) {
        record_writer(thread, hook, turn);
    }
}

/// Records who wrote. The copy is mapped and not written to yet, so reads of it change nothing.
#[inline(always)]
fn record_writer(thread: TracedThread, hook: Hook, turn: Turn) {
    let fault = thread.get();
    let Ok(registers) = KernelTask::current().user_registers() else {
        return;
    };
    let program = KnownProgram::of(fault.charged);
    let by_user = fault.flags & FAULT_USER != 0;
    // First: older kernels check what follows a branch once for each way to it, and the walk is what takes them long.
    let stacks = if fault.charged == fault.process {
        stacks::of_writer(thread, program, hook, turn, || Ok(registers))
    } else {
        StackNumbers::default()
    };
    let instruction = registers.instruction().unwrap_or(0);
    let mut words = Words::default();
    let (mut verb, mut changed) = (0, 0);
    let mut system_call = None;
    let fault = thread.get();
    if by_user {
        let address = fault.exact;
        words = evidence::read_words(thread, program, address, Moment::AfterCopy);
        (verb, changed) = store::verb_of(thread, program, registers, instruction, address, &words);
    } else {
        system_call = Some(registers.system_call().unwrap_or(UNKNOWN_CALL));
    }
    let fault = thread.get();
    evidence::record_copy(
        thread,
        Write {
            slot: fault.charged,
            address: fault.exact,
            instruction,
            pages: fault.pages,
            system_call,
            words,
            verb,
            changed,
            stacks,
        },
    );
}

#[inline(always)]
fn begin_traced(thread: TracedThread, state: u32, fault: VmFault, charged: u32) {
    let (Ok(vma), Ok(address)) = (fault.vma(), fault.address()) else {
        maps::count_loss(Loss::PendingDropped, 1);
        return;
    };
    let (mut exact, mut flags) = (address, 0);
    if evidence::is_taken() {
        exact = fault.exact_address().unwrap_or(address);
        flags = fault.flags().unwrap_or(0);
    }
    let begun = Begun {
        state,
        address,
        exact,
        flags,
        anchor: fault.0,
        witness: vma.0,
        charged,
    };
    fault::begin_fault(thread, begun);
}

/// A traced task writes into an address space from outside, not by its own page tables.
#[inline(always)]
fn write_for_another(thread: TracedThread, fault: VmFault) {
    match charged_for(fault) {
        Some(charged) => begin_traced(thread, FAULT_BEGUN, fault, charged),
        // Not a traced process's memory.
        None => fault::end_fault(thread),
    }
}

/// An untraced task writes into a process's memory from outside. If that process is traced, the task is
/// followed until its fault ends.
#[inline(always)]
fn begin_visit(tid: u32, turn: Turn, fault: VmFault) {
    let Some(charged) = charged_for(fault) else {
        return;
    };
    if let Some(thread) = take_slot_for(tid, turn, charged) {
        begin_traced(thread, FAULT_BEGUN, fault, charged);
    }
}

#[inline(always)]
fn take_slot_for(tid: u32, turn: Turn, charged: u32) -> Option<TracedThread> {
    let Some(slot) = maps::take_thread_slot() else {
        maps::count_loss(Loss::ThreadsFull, 1);
        return None;
    };
    let mut thread = TracedThread::in_slot(slot)?;
    *thread.get_mut() = Thread {
        process: charged,
        tid,
        visitor: 1,
        ..Thread::default()
    };
    // The other program will find the slot, and must not begin the fault again.
    thread.is_to_handle(HookEvent::Begin, turn);
    if !maps::set_task_slot(tid, slot) {
        maps::count_loss(Loss::TaskIdsFull, 1);
        maps::free_thread_slot(slot);
        return None;
    }
    Some(thread)
}

/// The visitor's fault has ended.
#[inline(always)]
fn end_visit(tid: u32, thread: TracedThread) {
    let slot = maps::task_slot(tid);
    fault::leave_fault(thread);
    maps::set_task_slot(tid, 0);
    maps::free_thread_slot(slot);
}

/// Process slot of the address space that a fault changes, if a traced process owns it.
#[inline(always)]
fn charged_for(fault: VmFault) -> Option<u32> {
    owner_of(fault.vma().and_then(Vma::mm).ok()?)
}

#[inline(always)]
fn owner_of(mm: Mm) -> Option<u32> {
    let owner = TracedThread::find(mm.owner()?)?;
    Some(owner.get().process)
}
