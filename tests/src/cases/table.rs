//! The table itself. Counts are pages of 4 KiB; a case has 1000 unless its name says otherwise.

use super::{Case, Otherwise, Writes};

/// Most pages that a processor keeps back before it puts them on the kernel's lists
/// (`include/linux/pagevec.h`, Linux 6.9; 15 before). Such a page has one user more than its
/// process, so a write copies it although nobody shares it. Virtual machines have four processors.
const FOLIO_BATCH: u64 = 31;

/// The loss if threads begin to write before their races are watched.
const UNWATCHED: Option<&str> = Some("races_unwatched");

/// The tracepoint backend sees none of the child's copies.
const CHILD_UNSEEN: &[Otherwise] = &[instead("anon", &[copies("child", 0)])];
/// The same for pages of a file.
const CHILD_UNSEEN_OF_FILE: &[Otherwise] = &[instead("file", &[copies("child", 0)])];
/// The same for the parent's.
const PARENT_UNSEEN: &[Otherwise] = &[instead("anon", &[copies("parent", 0)])];

/// Every case.
pub const ALL: &[Case] = &[
    Case::of("child-writes", &[copies("child", 1000)]),
    Case::of("parent-after-exit", &[reuses("parent", 1000)]).or_copies(),
    Case::of(
        "parent-first",
        &[copies("parent", 1000), reuses("child", 1000)],
    )
    .or_copies(),
    Case::of("three-children", &[copies("child", 1000); 3]),
    Case::of("zero-page", &[copies("parent", 1000)]).from("zero"),
    Case::of("shared", &[copies("child", 0)]),
    Case::of("file", &[copies("parent", 1000)]).from("file"),
    Case::of("file-parent-wrote", &[copies("child", 1000)]),
    // Four huge pages: the kernel splits them and copies small pages.
    Case::of("huge", &[copies("child", 2048)]),
    Case::of("read-into", &[copies("child", 1000)]),
    // Newer kernels restore the permission in the call, older ones at a fault.
    Case::of("protect", &[any_reuses("parent", 0)]).or_copies(),
    // Losers of the race free their copy, and may fault once more.
    Case {
        loss: UNWATCHED,
        ..Case::of("race", &[any_reuses("child", 5000)])
    },
    Case {
        loss: UNWATCHED,
        loss_may_be_copies: true,
        ..Case::of("race-at-once", &[any_reuses("child", 5000)])
    },
    Case::of("calls-after-reuse", &[reuses("parent", 1000)]).or_copies(),
    Case::of("kernel-reuse-then-calls", &[reuses("parent", 1000)]).or_copies(),
    // process_vm_writev and ptrace: the pages are copied without a fault of their owner.
    Case::of("written-for-it", &[copies("child", 1000)]).but(CHILD_UNSEEN),
    Case::of("written-by-ptrace", &[copies("child", 1000)]).but(CHILD_UNSEEN),
    Case::of("written-by-stranger", &[copies("child", 1000)]).but(CHILD_UNSEEN),
    // No page existed before, so no frame has changed.
    Case::of("file-first", &[copies("parent", 1000)])
        .from("file")
        .untrue()
        .but(PARENT_UNSEEN),
    Case::of("ksm", &[copies("parent", 1000)])
        .from("ksm")
        .but(&[instead("unknown", &[copies("parent", 1000)])]),
    // Four pages of 2 MiB: for the tracepoint backend, write faults without an allocation.
    Case::of("hugetlb", &[copies("child", 2048)])
        .from("hugetlb")
        .but(&[instead("anon", &[reuses("child", 4)])]),
    Case::of("four-children", &[copies("child", 1000); 4]),
    Case {
        loss: UNWATCHED,
        ..Case::of("four-threads", &[copies("child", 4000)])
    },
    // The leaf has no frame: the stack pointer points to its return address.
    Case {
        calls: &[
            "frames_leaf",
            "frames_deeper",
            "frames_deeper",
            "frames_deeper",
            "frames_deeper",
            "frames_outer",
        ],
        ..Case::of("frames", &[copies("child", 1000)])
    },
    // New memory is no copy, in whatever way it comes.
    Case::of("touch", &[copies("child", 0)]).touching("anon", 1000),
    Case::of("touch-read-into", &[copies("child", 0)]).touching("anon", 1000),
    Case::of("touch-read-first", &[copies("child", 1000)])
        .from("zero")
        .untrue()
        .touching("anon", 0),
    Case::of("touch-populate", &[copies("child", 0)]).touching("anon", 1000),
    Case::of("touch-huge", &[copies("child", 0)]).touching("anon", 2048),
    Case::of("touch-heap", &[copies("child", 0)]).touching("heap", 1000),
    Case::of("touch-stack", &[copies("child", 0)]).touching("stack", 1000),
    Case::of("touch-shared", &[copies("child", 0)]).touching("shared", 0),
    Case::of("touch-file", &[copies("child", 1000)])
        .from("file")
        .untrue()
        .but(CHILD_UNSEEN_OF_FILE)
        .touching("file", 0),
    // The stack, libc's data and similar memory of parent and child; 8 to 11 on several kernels.
    Case {
        whole_run: Some((1, 40)),
        ..Case::of("nothing", &[copies("child", 0)])
    },
];

impl Case {
    /// A case of inherited memory that all backends see.
    const fn of(name: &'static str, writers: &'static [Writes]) -> Self {
        Self {
            name,
            writers,
            source: "anon",
            otherwise: &[],
            loss: None,
            loss_may_be_copies: false,
            truth: true,
            real_copies: 0,
            calls: &[],
            touched: None,
            whole_run: None,
        }
    }

    /// A case with reuses, some of which the kernel turns into copies.
    const fn or_copies(self) -> Self {
        Self {
            real_copies: 4 * FOLIO_BATCH,
            ..self
        }
    }

    /// Where no page was there before, so that none has changed.
    const fn untrue(self) -> Self {
        Self {
            truth: false,
            ..self
        }
    }

    /// With so many pages of new memory of a kind.
    const fn touching(self, kind: &'static str, pages: u64) -> Self {
        Self {
            touched: Some((kind, pages)),
            ..self
        }
    }

    /// With the counts that the tracepoint backend is known to have instead.
    const fn but(self, otherwise: &'static [Otherwise]) -> Self {
        Self { otherwise, ..self }
    }

    /// With another source than inherited memory.
    const fn from(self, source: &'static str) -> Self {
        Self { source, ..self }
    }
}

/// What the tracepoint backend counts instead.
const fn instead(source: &'static str, writers: &'static [Writes]) -> Otherwise {
    Otherwise {
        backend: "tracepoint",
        writers,
        source,
    }
}

/// This many copies and no reuse.
const fn copies(role: &'static str, copied: u64) -> Writes {
    Writes {
        role,
        copied,
        reused: Some(0),
    }
}

/// No copy and this many reuses.
const fn reuses(role: &'static str, reused: u64) -> Writes {
    Writes {
        role,
        copied: 0,
        reused: Some(reused),
    }
}

/// This many copies, and a number of reuses that differs between kernels or runs.
const fn any_reuses(role: &'static str, copied: u64) -> Writes {
    Writes {
        role,
        copied,
        reused: None,
    }
}
