//! Backend `tracepoint`: pairs page faults and page allocations of one thread (x86-64).
//!
//! A write to a present page (bits 0 and 1 of the error code) opens a fault. A movable allocation of order
//! 0 inside it is the page of the copy; without one, the fault reused its page. Any other movable allocation
//! of a page of zeros, in a fault or not, is a first touch of new memory; so is one of a huge page.

use aya_ebpf::{EbpfContext as _, programs::RawTracePointContext};
use aya_log_ebpf::debug;
use cowtrace_common::{
    evidence::UNKNOWN_CALL,
    loss::Loss,
    process::Source,
    thread::{FAULT_ABSENT, FAULT_BEGUN, FAULT_COPIED, FAULT_TOUCHED, HookEvent},
};

use crate::{
    evidence::{
        self, Moment, Words, Write, sampling,
        stacks::{self, StackNumbers},
        store, touches,
    },
    fault::{self, Begun},
    kernel::{KernelEntry, KernelTask, SavedRegisters},
    maps,
    program::KnownProgram,
    thread::{TracedThread, Turn},
    walk::Hook,
};

/// The processor's mode when the fault happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    User,
    Kernel,
}

/// The page is present and the access is a write: bits 0 and 1 of x86's page-fault error code.
const WRITE_TO_PRESENT: u64 = 0b11;
/// Flags of every allocation for user memory (`GFP_HIGHUSER_MOVABLE`): those that are the same in all
/// kernels from 5.10 on.
const GFP_USER_MOVABLE: u64 = 0x10_0cca;
/// `__GFP_ZERO`: the kernel fills the page with zeros instead of a copy.
const GFP_ZERO: u64 = 0x100;

/// Flags of every allocation of a huge page for a process's own memory (`GFP_TRANSHUGE_LIGHT`). That of a
/// file's large page lacks `__GFP_NOMEMALLOC`.
const GFP_HUGE: u64 = 0x1c_000a;

/// Most small pages that are allocated together for a process, as a power of two: a huge page of 2 MiB.
const MOST_ORDER: u32 = 9;

/// `exceptions:page_fault_user`: (address, regs, error code).
#[inline(always)]
pub fn user_fault(ctx: &RawTracePointContext, turn: Turn) -> i32 {
    page_fault(ctx, turn, Mode::User)
}

/// `exceptions:page_fault_kernel`: (address, regs, error code).
#[inline(always)]
pub fn kernel_fault(ctx: &RawTracePointContext, turn: Turn) -> i32 {
    page_fault(ctx, turn, Mode::Kernel)
}

#[inline(always)]
fn page_fault(ctx: &RawTracePointContext, turn: Turn, mode: Mode) -> i32 {
    let Some(mut thread) = TracedThread::find(ctx.pid()) else {
        return 0;
    };
    // A page fault by a hook's own read, inside the fault that the hook handles.
    if thread.get().is_reading != 0 || !thread.is_to_handle(HookEvent::Begin, turn) {
        return 0;
    }
    if mode == Mode::User {
        thread.get_mut().user_registers = ctx.arg(1);
    }
    let error_code: u64 = ctx.arg(2);
    if error_code & WRITE_TO_PRESENT == WRITE_TO_PRESENT {
        begin_at(thread, turn, ctx.arg(0), SavedRegisters(ctx.arg(1)), mode);
    } else {
        begin_absent(thread, ctx.arg(0), SavedRegisters(ctx.arg(1)), mode);
    }
    0
}

/// A fault on a page that is not present: remembers where, for the page that it may allocate.
#[inline(always)]
fn begin_absent(mut thread: TracedThread, address: u64, registers: SavedRegisters, mode: Mode) {
    fault::end_fault(thread);
    if !fault::counts_touches() {
        return;
    }
    let witness = match mode {
        Mode::User => 0,
        Mode::Kernel => match digest_of_fault(thread, registers) {
            Ok(digest) => digest,
            Err(_) => return,
        },
    };
    let fault = thread.get_mut();
    fault.address = address;
    fault.anchor = registers.0;
    fault.witness = witness;
    // Read with the page: few of these faults touch new memory, and until then only the address depends on it.
    fault.instruction = 0;
    fault.state = FAULT_ABSENT;
}

#[inline(always)]
fn begin_at(
    mut thread: TracedThread,
    turn: Turn,
    address: u64,
    registers: SavedRegisters,
    mode: Mode,
) {
    let digest = match mode {
        Mode::User => Ok(0),
        Mode::Kernel => digest_of_fault(thread, registers),
    };
    let Ok(witness) = digest else {
        fault::end_fault(thread);
        maps::count_loss(Loss::PendingDropped, 1);
        return;
    };
    thread.get_mut().instruction = registers.instruction_at_once().unwrap_or(0);
    let charged = thread.get().process;
    if evidence::is_taken() {
        sampling::draw(thread, charged, address);
        if thread.get().is_drawn != 0 {
            keep_stacks(thread, KnownProgram::of(charged), turn, registers, mode);
        }
    }
    let begun = Begun {
        state: FAULT_BEGUN,
        address,
        exact: address,
        flags: 0,
        anchor: registers.0,
        witness,
        charged,
    };
    fault::begin_fault(thread, begun);
}

/// Walks the stacks now, before the kernel looks at the page-table entry.
#[inline(always)]
fn keep_stacks(
    mut thread: TracedThread,
    program: KnownProgram,
    turn: Turn,
    registers: SavedRegisters,
    mode: Mode,
) {
    let hook = match mode {
        Mode::User => Hook::Write,
        Mode::Kernel => Hook::KernelWrite,
    };
    let stacks = if stacks::are_walked(program) {
        thread.get_mut().is_reading = 1;
        let stacks = stacks::of_writer(thread, program, hook, turn, || match mode {
            Mode::User => Ok(registers),
            Mode::Kernel => KernelTask::current().user_registers(),
        });
        thread.get_mut().is_reading = 0;
        stacks
    } else {
        StackNumbers::default()
    };
    stacks::keep_until_copy(thread, stacks);
}

/// How the thread entered the kernel, if it is still inside its fault; `None` if it is in something later.
/// All 0 for a kernel-mode fault, which does not need it.
#[inline(always)]
fn in_progress(thread: TracedThread) -> Option<KernelEntry> {
    let fault = thread.get();
    let saved = SavedRegisters(fault.anchor);
    if fault.witness == 0 {
        let begun_at = fault.instruction;
        return saved.entry().ok().filter(|entry| {
            entry.is_from_exception() && (begun_at == 0 || begun_at == entry.instruction)
        });
    }
    (digest_of_fault(thread, saved) == Ok(fault.witness)).then_some(KernelEntry::default())
}

/// What identifies a kernel-mode fault. Its own registers distinguish it from what follows in the same
/// system call, the system call's registers from later system calls. Both are needed: since each call's
/// stack begins at a random offset (`randomize_kstack_offset`), the fault's registers can stay readable in
/// a hole of a later stack.
#[inline(always)]
fn digest_of_fault(thread: TracedThread, registers: SavedRegisters) -> Result<u64, i32> {
    let fault = registers.digest()?;
    match thread.get().user_registers {
        0 => Ok(fault),
        user => Ok((fault ^ SavedRegisters(user).digest()?) | 1),
    }
}

/// `kmem:mm_page_alloc`: (page, order, gfp flags, migrate type).
#[inline(always)]
pub fn page_alloc(ctx: &RawTracePointContext, turn: Turn) -> i32 {
    let gfp: u64 = ctx.arg(2);
    let order = allocation_order(ctx);
    let flags = if order == 0 {
        GFP_USER_MOVABLE
    } else {
        GFP_HUGE
    };
    if gfp & flags != flags {
        return 0;
    }
    let Some(mut thread) = TracedThread::find_for(ctx.pid(), HookEvent::Copy, turn) else {
        return 0;
    };
    if order == 0 && thread.get().state == FAULT_BEGUN {
        if let Some(entry) = in_progress(thread) {
            thread.get_mut().page = ctx.arg(0);
            page_copied(ctx, thread, gfp, entry);
            return 0;
        }
        fault::end_fault(thread);
    }
    first_touch(thread, turn, gfp, order, ctx.arg(0));
    0
}

/// The open write fault copied its page.
#[inline(always)]
fn page_copied(ctx: &RawTracePointContext, thread: TracedThread, gfp: u64, entry: KernelEntry) {
    let source = if gfp & GFP_ZERO == 0 {
        Source::Unknown
    } else {
        Source::Zero
    };
    fault::count_copy(thread, source, 1);
    if evidence::is_taken() && sampling::is_drawn(thread) {
        record_writer(thread, entry);
    }
    let fault = thread.get();
    debug!(
        ctx,
        "copied: task {} process slot {} address {:x}", fault.tid, fault.process, fault.address
    );
}

/// A page was allocated outside of a write fault on a present page. It is new memory if the kernel fills it with
/// zeros: the flags of a small page say so, and huge pages are always filled.
#[inline(always)]
fn first_touch(mut thread: TracedThread, turn: Turn, gfp: u64, order: u32, page: u64) {
    if !fault::counts_touches() || order > MOST_ORDER || (order == 0 && gfp & GFP_ZERO == 0) {
        return;
    }
    // A page that a system call asks for, as by MAP_POPULATE, has no known address.
    let mut address = 0;
    let pages = 1 << order;
    if thread.get().state == FAULT_ABSENT
        && let Some(entry) = in_progress(thread)
    {
        let fault = thread.get_mut();
        address = fault.address;
        fault.instruction = entry.instruction;
        fault.page = page;
        fault.pages = pages;
        fault.state = FAULT_TOUCHED;
    }
    let charged = thread.get().process;
    fault::count_touch(thread, charged, address, pages);
    if evidence::is_taken() && touches::is_due(thread, pages) {
        touches::record_touch(thread, turn, address, pages);
    }
}

#[inline(always)]
fn record_writer(thread: TracedThread, entry: KernelEntry) {
    let fault = thread.get();
    let mut words = Words::default();
    let (mut verb, mut changed) = (0, 0);
    let (instruction, system_call) = if fault.witness == 0 {
        let (address, instruction) = (fault.exact, entry.instruction);
        let program = KnownProgram::of(fault.charged);
        words = evidence::read_words(thread, program, address, Moment::BeforeCopy);
        let registers = SavedRegisters(fault.anchor);
        (verb, changed) = store::verb_of(thread, program, registers, instruction, address, &words);
        (instruction, None)
    } else {
        in_system_call(fault.user_registers)
    };
    let fault = thread.get();
    evidence::record_copy(
        thread,
        Write {
            slot: fault.charged,
            address: fault.exact,
            instruction,
            pages: 1,
            system_call,
            words,
            verb,
            changed,
            stacks: stacks::kept_with(thread),
        },
    );
}

/// A thread's user-mode instruction, and the number of its system call.
#[inline(always)]
fn in_system_call(user_registers: u64) -> (u64, Option<u64>) {
    match SavedRegisters(user_registers).entry() {
        Ok(entry) => (entry.instruction, Some(entry.system_call())),
        Err(_) => (0, Some(UNKNOWN_CALL)),
    }
}

/// `kmem:mm_page_free`: (page, order). A fault that lost a race frees its page before it ends. There is no
/// second program: interrupts free pages too, and would use the flag for taking turns as well.
#[inline(always)]
pub fn page_free(ctx: &RawTracePointContext) -> i32 {
    let Some(thread) = TracedThread::find(ctx.pid()) else {
        return 0;
    };
    let fault = thread.get();
    let page: u64 = ctx.arg(0);
    let state = fault.state;
    if fault.page != page || (state != FAULT_COPIED && state != FAULT_TOUCHED) {
        return 0;
    }
    if in_progress(thread).is_none() {
        return 0;
    }
    if state == FAULT_COPIED {
        fault::taken_back(thread);
    } else {
        fault::touch_taken_back(thread);
    }
    0
}

#[inline(always)]
fn allocation_order(ctx: &RawTracePointContext) -> u32 {
    // An `unsigned int` in a 64-bit register: its upper half is undefined.
    ctx.arg::<u64>(1) as u32
}
