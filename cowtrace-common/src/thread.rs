//! A traced thread's open write fault, and the table of traced tasks.

/// Slots of traced threads; slot 0 means "not traced". Limits the traced threads of all processes that
/// are alive at one time. 16,384 slots are 3 MiB.
pub const THREAD_SLOTS: u32 = 16_384;

/// Task ids in one element of the task table: the kernel rounds array elements up to 8 bytes, and four
/// 2-byte slots fill one.
pub const TASKS_PER_CHUNK: u32 = 4;

/// The slots of four neighbouring task ids, 0 for a task that is not traced. Every fault of every
/// process of the machine looks here first, so it takes no more than one indexed load.
pub type TaskChunk = [u16; TASKS_PER_CHUNK as usize];

/// The chunk of a task id, and the place in it.
#[inline(always)]
#[must_use]
pub const fn task_place(tid: u32) -> (u32, usize) {
    (tid / TASKS_PER_CHUNK, (tid % TASKS_PER_CHUNK) as usize)
}

/// The thread has no open write fault.
pub const FAULT_NONE: u32 = 0;
/// A write fault on a protected page began; nothing is copied yet.
pub const FAULT_BEGUN: u32 = 1;
/// A write fault copied a page. The tracepoint backend may still take the copy back.
pub const FAULT_COPIED: u32 = 2;
/// The first write to a page of a private file mapping began: it ends as a copy or as nothing, never as
/// a reuse.
pub const FAULT_FIRST: u32 = 3;
/// Tracepoint: a fault on a page that is not present began. It ends as a first touch or as nothing.
pub const FAULT_ABSENT: u32 = 4;
/// Tracepoint: a fault on a page that was not present touched new memory. It may still be taken back.
pub const FAULT_TOUCHED: u32 = 5;

/// A traced thread. Only the thread's own hooks write it, and the user side before the thread is traced.
/// So nothing here needs to be atomic.
///
/// Copies and first touches are counted within two cache lines. What is used for each of them comes first.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Thread {
    /// Address that the open fault writes to, or its page's.
    pub address: u64,
    /// Kernel address by which later hooks find the fault's own data. Tracepoint: the registers that the
    /// fault saved (`struct pt_regs`). Functions: `struct vm_fault`, 0 for hugetlbfs.
    pub anchor: u64,
    /// What later hooks compare to know that they belong to the fault. Tracepoint: a digest of the
    /// registers of a kernel-mode fault and of its system call, 0 for a user-mode fault. Functions: the
    /// kernel address of the `struct vm_area_struct`.
    pub witness: u64,
    /// One of the `FAULT_` states.
    pub state: u32,
    /// Slot of the process whose address space the thread uses.
    pub process: u32,
    /// Slot of the process whose address space the open fault changes: not `process` while the thread
    /// writes into another process's memory (`process_vm_writev`, ptrace).
    pub charged: u32,
    /// Pages in the tally of copies.
    pub tally_copied: u32,
    /// [`crate::range::RangeKey`] of the tally: consecutive copies in one range, which go to the
    /// histogram and to the process's totals in one addition.
    pub tally_key: u64,
    /// [`crate::range::RangeKey`] of the tally of first touches, like `tally_key`.
    pub touch_key: u64,
    /// Pages in that tally.
    pub touched: u32,
    /// Pages of new memory up to the next one of which evidence is taken, that page included; 0 before the
    /// first draw.
    pub touch_wait: u32,
    /// Tracepoint: kernel address of the page that the fault allocated (`struct page`).
    pub page: u64,
    /// Tracepoint: kernel address at which the thread's user-mode registers are saved, the same in all
    /// its system calls and faults; 0 before its first user-mode fault.
    pub user_registers: u64,
    /// Tracepoint: instruction of the open user-mode fault; 0 if only a helper could read it.
    pub instruction: u64,
    /// The exact address that the open fault writes to; `address` may be the page's.
    pub exact: u64,
    /// Functions: `FAULT_FLAG_…` bits of the open fault.
    pub flags: u32,
    /// Number of pages that the last fault copied, or touched for the first time.
    pub pages: u32,
    /// Number of the [`crate::python::PythonStack`] of the open fault, 0 if unknown.
    pub python_stack: u64,
    /// Functions: kernel address of the thread's own address space (`struct mm_struct`), 0 until it was
    /// read.
    pub own_mm: u64,
    /// By [`HookEvent`]: which of a hook's two programs handled the event; 0 after the other had its
    /// turn.
    pub ran: [u8; EVENTS],
    /// 1 for a task outside of the traced tree that writes into a traced process's memory. It has the
    /// slot for this one fault.
    pub visitor: u8,
    /// Tracepoint: 1 while a hook of this thread reads stacks in the process's memory. Its reads may
    /// fault.
    pub is_reading: u8,
    /// Evidence is taken of one copy in 2 to the power of this, drawn at random; 0: of each.
    pub sampling: u8,
    /// 1 if the open fault's copy was drawn.
    pub is_drawn: u8,
    /// Address of the thread's `PyThreadState` when it was last found, 0 before. Only stacks, the words
    /// around a write and one first touch in many need this field and those after it.
    pub python_thread: u64,
    /// What `pthread_self` returns in the thread, 0 until it was read.
    pub thread_pointer: u64,
    /// Kernel address of the top table of the thread's page tables, 0 until it was read.
    pub page_tables: u64,
    /// Number of the [`crate::native::NativeStack`] of the open fault, 0 if unknown. Not set by a trace that
    /// walks none.
    pub native_stack: u64,
    /// Task id in the initial pid namespace.
    pub tid: u32,
    /// Place of the next page of which evidence is taken among [`crate::evidence::TOUCHES_PER_SAMPLE`].
    pub touch_place: u32,
    /// Copies since the last one that was drawn.
    pub passed_over: u32,
    /// What the next copy is drawn by.
    pub chance: u32,
    /// Number of the [`crate::python::PythonStack`] that the thread had last and that is stored, 0 before the
    /// first.
    pub stored_stack: u64,
    /// Bytes from the outermost Python frame of the last walk to its innermost one, 0 before the first. The next walk
    /// reads that much at once.
    pub frames_span: u64,
}

/// What a thread's hooks see. A hook may have two programs: see the kernel side's `twins!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum HookEvent {
    /// A fault begins.
    Begin = 0,
    /// A page is allocated or mapped for a copy.
    Copy = 1,
    /// A fault ends.
    End = 2,
    /// The thread forks or starts a program.
    Life = 3,
}

/// Entries of [`Thread::ran`].
pub const EVENTS: usize = HookEvent::Life as usize + 1;

const _: () = assert!(size_of::<Thread>() == 192);
const _: () = assert!(core::mem::offset_of!(Thread, page) == 64);
const _: () = assert!(core::mem::offset_of!(Thread, python_thread) == 128);
const _: () = assert!(size_of::<TaskChunk>() == 8);
