//! A traced thread's write fault in flight, and the table that tells which tasks are traced.

/// Slots of traced threads; slot 0 means "not traced". Bounds the traced threads alive at one
/// time, over all processes. 16,384 slots are 3 MiB.
pub const THREAD_SLOTS: u32 = 16_384;

/// Task ids whose slots lie together in one element of the task table: array elements are
/// rounded up to 8 bytes, four 2-byte slots fill one.
pub const TASKS_PER_CHUNK: u32 = 4;

/// The slots of four neighbouring task ids, 0 for a task that is not traced. This is what a fault
/// of any process of the machine asks first, so it is one indexed load and nothing else.
pub type TaskChunk = [u16; TASKS_PER_CHUNK as usize];

/// Which chunk, and which place in it, belongs to a task id.
#[inline(always)]
#[must_use]
pub const fn task_place(tid: u32) -> (u32, usize) {
    (tid / TASKS_PER_CHUNK, (tid % TASKS_PER_CHUNK) as usize)
}

/// No write fault is open on the thread.
pub const FAULT_NONE: u32 = 0;
/// A write fault on a protected page began; nothing was copied yet.
pub const FAULT_BEGUN: u32 = 1;
/// A write fault copied a page. With the tracepoint backend it may still be taken back.
pub const FAULT_COPIED: u32 = 2;
/// The first write to a page of a private file mapping began: a copy or nothing, never a reuse.
pub const FAULT_FIRST: u32 = 3;

/// A traced thread. Only this thread's own faults write it (the user side does before the thread
/// is traced), so nothing here needs to be atomic.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Thread {
    /// Address the open fault wrote to.
    pub address: u64,
    /// By what later hooks find the fault's own data, a kernel address. Tracepoint: the registers
    /// that the fault saved (`struct pt_regs`). Functions: `struct vm_fault`, 0 for hugetlbfs.
    pub anchor: u64,
    /// By what later hooks know that they belong to the fault. Tracepoint: a digest of the
    /// registers of a kernel-mode fault and of its system call, 0 for a user-mode one. Functions: the kernel address of
    /// the `struct vm_area_struct`.
    pub witness: u64,
    /// Tracepoint: kernel address of the page (`struct page`) that the fault allocated.
    pub page: u64,
    /// One of the `FAULT_` states.
    pub state: u32,
    /// Slot of the process whose address space the thread uses.
    pub process: u32,
    /// Slot of the process whose address space the open fault changes: another one while the
    /// thread writes into a process's memory from outside (`process_vm_writev`, ptrace).
    pub charged: u32,
    /// Task id in the initial pid namespace.
    pub tid: u32,
    /// [`crate::range::RangeKey`] of the copies counted here and not in the histogram yet: those
    /// that follow each other in one range are added to it, and to the process, in one go.
    pub tally_key: u64,
    /// How many they are, in pages.
    pub tally_copied: u32,
    /// 1 for a task outside of the traced tree that has the slot for the length of one fault: it
    /// writes into a traced process's memory.
    pub visitor: u32,
    /// Tracepoint: where the thread's user-mode registers are saved on its kernel stack, the same
    /// place in all its system calls and faults; 0 before its first user-mode fault.
    pub user_registers: u64,
    /// By [`HookEvent`]: which of a hook's two programs ran last, 0 once the other had its turn too.
    pub ran: [u8; EVENTS],
    /// Address the open fault wrote to, exact where `address` is the page's.
    pub exact: u64,
    /// Functions: `FAULT_FLAG_…` bits of the open fault.
    pub flags: u32,
    /// Pages that the last fault copied.
    pub pages: u32,
    /// Tracepoint: 1 while a hook of this thread walks stacks in the process's memory, which may fault.
    pub is_reading: u64,
    /// Number of the [`crate::python::PythonStack`] of the open fault, 0 if it is not known.
    pub python_stack: u64,
    /// Number of the [`crate::native::NativeStack`] of the open fault, 0 if it is not known.
    pub native_stack: u64,
    /// Tracepoint: instruction of the open user-mode fault; 0 where reading it takes a helper.
    pub instruction: u64,
    /// Address of the thread's `PyThreadState` as last found, 0 before. What is from here on is read of
    /// interpreters only: counting stays within two cache lines.
    pub python_thread: u64,
    /// What `pthread_self` returns in the thread, 0 if not known yet.
    pub thread_pointer: u64,
    /// Kernel address of the top table of the thread's page tables, 0 if not known yet.
    pub page_tables: u64,
    /// Fills the third cache line, so that two threads never share one.
    pub padding: [u64; 5],
}

/// What hooks of a thread see. A hook may have two programs, see the kernel side's `twins`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum HookEvent {
    /// A fault begins.
    Begin = 0,
    /// A page is allocated or mapped: a copy is made.
    Copy = 1,
    /// A fault ends.
    End = 2,
    /// The thread forks or starts a program.
    Life = 3,
}

/// Places for flags of events.
pub const EVENTS: usize = 8;

const _: () = assert!(size_of::<Thread>() == 192);
const _: () = assert!(core::mem::offset_of!(Thread, state) == 32);
const _: () = assert!(core::mem::offset_of!(Thread, tally_key) == 48);
const _: () = assert!(core::mem::offset_of!(Thread, python_thread) == 128);
const _: () = assert!(size_of::<TaskChunk>() == 8);
