//! The names inside the kernel side's object file, by which the user side finds its parts: maps,
//! globals and programs. A test of the user side compares them with the object.

/// The programs of one hook, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookPrograms {
    /// The program that is always attached. Those on raw tracepoints have the tracepoint's name.
    pub first: &'static str,
    /// The program that handles what the kernel skipped the first one for; `None` for hooks that
    /// never need one.
    pub second: Option<&'static str>,
}

/// Constants that have their own names as values, and a list of all.
macro_rules! names {
    ($what:literal: $($name:ident)*) => {
        $(
            #[doc = concat!("Name of the ", $what, " `", stringify!($name), "`.")]
            pub const $name: &str = stringify!($name);
        )*
        #[doc = concat!("Every ", $what, ".")]
        pub const ALL: &[&str] = &[$($name),*];
    };
}

/// Constants for the programs of hooks, and a list of all.
macro_rules! programs {
    ($($name:ident: $first:ident $(, $second:ident)?;)*) => {
        $(
            #[doc = concat!("The hook `", stringify!($first), "`.")]
            pub const $name: HookPrograms = HookPrograms {
                first: stringify!($first),
                second: programs!(@second $($second)?),
            };
        )*
        /// Every hook.
        pub const ALL: &[HookPrograms] = &[$($name),*];
    };
    (@second) => { None };
    (@second $second:ident) => { Some(stringify!($second)) };
}

/// Maps. What each holds stands beside its definition, in the kernel side's `maps.rs`.
pub mod map {
    names! { "map":
        TASKS THREADS FREE_THREADS PROCESSES FREE_PROCESSES RANGES CLAIMS SPLITS DIRECT_MAP LOSS
        RACES_SETTLED EVENTS PYTHONS PYTHON_STACKS NATIVE_STACKS WALKS EVIDENCE BATCHES
        STORES
    }
}

/// Globals: 32-bit values that the user side sets before it loads the programs. What each means stands
/// beside its definition.
pub mod global {
    names! { "global":
        RANGE_SHIFT PAGE_SHIFT BUCKET_MASK
        HAS_SECOND COUNT_TOUCHES TAKE_EVIDENCE TELL_STORES RING_SHIFT LEAST_SAMPLING MOST_SAMPLING WALK_PYTHON WALK_NATIVE
        REGISTERS_TYPE
        TASK_PID TASK_TGID TASK_MM TASK_EXIT_CODE TASK_SIGNAL SIGNAL_OOM_MM
        TASK_THREAD_POINTER THREAD_DESCRIPTOR_BYTES TASK_STACK STACK_REGISTERS MM_OWNER MM_PGD
        REGS_IP REGS_CALL REGS_SP REGS_FP REGS_LINK REGS_ORIG_AX
        VMF_REAL_ADDRESS VMF_VMA VMF_FLAGS VMF_ADDRESS VMF_PAGE VMF_COW_PAGE
        VMA_MM VMA_FLAGS PAGE_MAPPING PAGE_HEAD PAGE_HEAD_IS_MASK PAGE_STRUCT_BYTES
        FOLIO_PAGES
    }
}

/// Programs. What each does stands beside its definition, in the kernel side's `main.rs`.
pub mod program {
    use super::HookPrograms;

    programs! {
        PAGE_FAULT_USER: page_fault_user, page_fault_user_again;
        PAGE_FAULT_KERNEL: page_fault_kernel, page_fault_kernel_again;
        MM_PAGE_ALLOC: mm_page_alloc, mm_page_alloc_again;
        MM_PAGE_FREE: mm_page_free;
        SCHED_PROCESS_FORK: sched_process_fork, sched_process_fork_again;
        SCHED_PROCESS_EXEC: sched_process_exec, sched_process_exec_again;
        SCHED_PROCESS_EXIT: sched_process_exit, sched_process_exit_again;
        FENTRY_WRITE: fentry_write, fentry_write_again;
        FEXIT_WRITE: fexit_write, fexit_write_again;
        FENTRY_FINISH: fentry_finish, fentry_finish_again;
        FEXIT_FINISH: fexit_finish, fexit_finish_again;
        FENTRY_MAPPED: fentry_mapped, fentry_mapped_again;
        FENTRY_HUGE_0: fentry_huge_0, fentry_huge_0_again;
        FENTRY_HUGE_1: fentry_huge_1, fentry_huge_1_again;
        FENTRY_HUGE_ARGS: fentry_huge_args, fentry_huge_args_again;
        FEXIT_HUGE: fexit_huge, fexit_huge_again;
        FENTRY_HUGE_MAPPED: fentry_huge_mapped, fentry_huge_mapped_again;
        KPROBE_WRITE: kprobe_write;
        KRETPROBE_WRITE: kretprobe_write;
        KPROBE_FINISH: kprobe_finish;
        KRETPROBE_FINISH: kretprobe_finish;
        KPROBE_MAPPED: kprobe_mapped;
        KPROBE_HUGE_0: kprobe_huge_0;
        KPROBE_HUGE_1: kprobe_huge_1;
        KPROBE_HUGE_ARGS: kprobe_huge_args;
        KRETPROBE_HUGE: kretprobe_huge;
        KPROBE_HUGE_MAPPED: kprobe_huge_mapped;
        FIND_DIRECT_MAP: find_direct_map;
        EMPTY: empty;
    }

    /// The hooks that follow processes, on every backend.
    pub const OF_LIFECYCLE: [HookPrograms; 3] =
        [SCHED_PROCESS_FORK, SCHED_PROCESS_EXEC, SCHED_PROCESS_EXIT];
    /// The hooks that follow a copy, on the tracepoint backend.
    pub const OF_TRACEPOINTS: [HookPrograms; 3] =
        [MM_PAGE_ALLOC, PAGE_FAULT_USER, PAGE_FAULT_KERNEL];
}
