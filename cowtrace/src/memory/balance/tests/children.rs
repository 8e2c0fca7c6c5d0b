//! Balances of children that this process forks, of memory in which each page is known.

use super::*;
use crate::run::BalanceIs;
use nix::{
    libc,
    sys::{
        mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pause, pipe, read, write},
};
use std::{ffi::c_void, fs::File, num::NonZeroUsize, os::fd::OwnedFd, ptr::NonNull};

/// Own memory, unmapped at the end.
struct Memory {
    base: NonNull<c_void>,
    bytes: usize,
}

impl Memory {
    fn anonymous(pages: u64, advice: MmapAdvise) -> Self {
        let length = NonZeroUsize::new(usize::try_from(pages * page_bytes()).unwrap()).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap_anonymous(None, length, access, flags) }.unwrap();
        // SAFETY: advice about huge pages changes no content. Kernels without them refuse it.
        let _ = unsafe { madvise(base, length.get(), advice) };
        Self {
            base,
            bytes: length.get(),
        }
    }

    fn small(pages: u64) -> Self {
        Self::anonymous(pages, MmapAdvise::MADV_NOHUGEPAGE)
    }

    fn of_file(file: &File, pages: u64) -> Self {
        let length = NonZeroUsize::new(usize::try_from(pages * page_bytes()).unwrap()).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_PRIVATE, file, 0) };
        Self {
            base: base.unwrap(),
            bytes: length.get(),
        }
    }

    fn span(&self) -> Range<u64> {
        let start = self.base.as_ptr() as u64;
        start..start + self.bytes as u64
    }

    fn page(&self, page: u64) -> NonNull<c_void> {
        let at = usize::try_from(page * page_bytes()).unwrap();
        assert!(at < self.bytes);
        // SAFETY: within the mapping, as just asserted.
        unsafe { self.base.byte_add(at) }
    }

    fn write(&self, pages: Range<u64>) {
        for page in pages {
            // SAFETY: a byte of the mapping.
            unsafe { self.page(page).cast::<u8>().as_ptr().write_volatile(1) };
        }
    }

    fn read(&self, pages: Range<u64>) {
        for page in pages {
            // SAFETY: a byte of the mapping.
            std::hint::black_box(unsafe { self.page(page).cast::<u8>().as_ptr().read_volatile() });
        }
    }

    fn give_back(&self, pages: Range<u64>) {
        let bytes = usize::try_from((pages.end - pages.start) * page_bytes()).unwrap();
        let advice = MmapAdvise::MADV_DONTNEED;
        // SAFETY: within the mapping, which has nothing of value.
        unsafe { madvise(self.page(pages.start), bytes, advice) }.unwrap();
    }

    fn unmap(&self, pages: Range<u64>) {
        let bytes = usize::try_from((pages.end - pages.start) * page_bytes()).unwrap();
        // SAFETY: within the mapping, of which the child uses nothing more.
        unsafe { munmap(self.page(pages.start), bytes) }.unwrap();
    }

    /// The balances of children, by frames if they are told.
    fn balance(&self, children: &[&Child]) -> FamilyBalance {
        let pids: Vec<u32> = children.iter().map(|child| child.pid()).collect();
        let (root, own) = (Path::new("/proc"), std::process::id());
        read_balance(
            root,
            own,
            &pids,
            &[self.span()],
            page_bytes(),
            BalanceBudget::default(),
        )
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: nothing uses the mapping any more.
        let _ = unsafe { munmap(self.base, self.bytes) };
    }
}

/// A child that does something, then waits until it is killed.
struct Child(Pid, OwnedFd);

impl Child {
    /// Returns when the child has done it. There it must neither allocate nor lock: others' threads may
    /// have been in the middle of that when it was forked.
    fn that(act: impl FnOnce()) -> Self {
        let (from, to) = pipe().unwrap();
        // SAFETY: the child writes to memory and makes system calls, nothing else.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => {
                drop(to);
                let own = Self(child, from);
                own.wait();
                own
            }
            ForkResult::Child => {
                act();
                let _ = write(&to, &[1]);
                loop {
                    pause();
                }
            }
        }
    }

    fn pid(&self) -> u32 {
        u32::try_from(self.0.as_raw()).unwrap()
    }

    fn wait(&self) {
        assert_eq!(read(&self.1, &mut [0]), Ok(1));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// As well as it can be known here.
fn best() -> BalanceIs {
    match crate::memory::pagemap::known_zero_frame(page_bytes()) {
        Some(_) => BalanceIs::Exact,
        None => BalanceIs::Coarse,
    }
}

#[test]
fn copies_new_pages_and_what_was_given_back_are_told_apart() {
    let memory = Memory::small(1500);
    memory.write(0..1000);
    let idle = Child::that(|| {});
    let busy = Child::that(|| {
        memory.write(0..300);
        memory.write(1200..1250);
        memory.give_back(900..1000);
    });
    let found = memory.balance(&[&idle, &busy]);
    let idle = balance(best(), [1000, 0, 0, 0, 0]);
    let busy = balance(best(), [600, 300, 50, 100, 0]);
    assert_eq!(found.inheritors, [idle, busy]);
    if best() == BalanceIs::Exact {
        assert_eq!(
            (found.distinct_pages, found.extra_pages),
            (Some(1350), Some(300))
        );
    }
}

/// The workers have the old pages, which are of nobody else.
#[test]
fn a_donor_that_wrote_its_pages_shares_them_no_more() {
    if best() != BalanceIs::Exact {
        return;
    }
    let memory = Memory::small(1000);
    memory.write(0..1000);
    let one = Child::that(|| {});
    let two = Child::that(|| memory.write(0..100));
    memory.write(0..400);
    let found = memory.balance(&[&one, &two]);
    let unshared = balance(BalanceIs::Exact, [600, 400, 0, 0, 0]);
    assert_eq!(found.inheritors, [unshared; 2]);
    // 100 pages are there three times, 300 twice.
    assert_eq!(
        (found.distinct_pages, found.extra_pages),
        (Some(1500), Some(500))
    );
    // The donor gives them back, and so they are only the workers' any more.
    memory.give_back(0..400);
    let found = memory.balance(&[&one, &two]);
    let new = balance(BalanceIs::Exact, [600, 0, 400, 0, 0]);
    assert_eq!(found.inheritors, [new; 2]);
    assert_eq!(
        (found.distinct_pages, found.extra_pages),
        (Some(1100), Some(0))
    );
}

#[test]
fn the_page_of_zeros_and_files_are_no_memory_of_a_process() {
    let path = std::env::temp_dir().join(format!("cowtrace-balance-{}", std::process::id()));
    fs::write(&path, vec![7; usize::try_from(100 * page_bytes()).unwrap()]).unwrap();
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let memory = Memory::of_file(&file, 100);
    memory.read(0..100);
    memory.write(0..10);
    let child = Child::that(|| {
        memory.write(5..20);
        memory.read(20..100);
    });
    let found = memory.balance(&[&child]);
    assert_eq!(found.inheritors, [balance(best(), [5, 5, 10, 0, 0])]);
    if best() == BalanceIs::Exact {
        let memory = Memory::small(100);
        memory.read(0..50);
        let child = Child::that(|| {
            memory.read(20..90);
            memory.write(40..60);
        });
        let found = memory.balance(&[&child]);
        assert_eq!(found.inheritors, [balance(best(), [0, 0, 20, 0, 0])]);
    }
}

#[test]
fn what_a_child_has_unmapped_is_gone() {
    let memory = Memory::small(500);
    memory.write(0..500);
    let child = Child::that(|| memory.unmap(100..350));
    let found = memory.balance(&[&child]);
    assert_eq!(found.inheritors, [balance(best(), [250, 0, 0, 250, 0])]);
}

/// The kernel copies a small page of it.
#[test]
fn of_a_huge_page_only_what_was_written_is_unshared() {
    let memory = Memory::anonymous(4096, MmapAdvise::MADV_HUGEPAGE);
    memory.write(0..4096);
    let child = Child::that(|| {
        memory.write(1000..1001);
        memory.write(3000..3007);
    });
    let found = memory.balance(&[&child]);
    assert_eq!(found.inheritors, [balance(best(), [4088, 8, 0, 0, 0])]);
}

/// Reserved memory, of which a sample would be of holes.
#[test]
fn sparse_memory_is_compared_where_it_is() {
    let pages = (1 << 40) / page_bytes();
    let memory = Memory::small(pages);
    for first in [0, 1000, pages / 2 - 3, pages - 20] {
        memory.write(first..first + 10);
    }
    let child = Child::that(|| {
        memory.write(1000..1007);
        memory.write(pages / 3..pages / 3 + 5);
    });
    let found = memory.balance(&[&child]).inheritors[0];
    let exact = balance(best(), [33, 7, 5, 0, 0]);
    // Before Linux 6.7 holes cannot be found: the error is as large as it says.
    assert!(found == exact || found.error_pages > 100, "{found:?}");
    if kernel_finds_holes() {
        assert_eq!(found, exact);
    }
}

fn kernel_finds_holes() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|it| it.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(7))
}

#[test]
fn a_child_that_was_killed_has_no_balance() {
    let memory = Memory::small(100);
    memory.write(0..100);
    let (one, two) = (Child::that(|| {}), Child::that(|| {}));
    kill(two.0, Signal::SIGKILL).unwrap();
    // It is a zombie until it is waited for, without memory once it is one.
    while !fs::read_to_string(format!("/proc/{}/stat", two.0))
        .unwrap()
        .contains(") Z")
    {
        std::thread::yield_now();
    }
    let found = memory.balance(&[&one, &two]);
    let shared = balance(best(), [100, 0, 0, 0, 0]);
    assert_eq!(found.inheritors, [shared, PageBalance::default()]);
}

/// `CAP_SYS_ADMIN` is what counts, when the file is opened, by this thread.
#[test]
fn without_the_right_to_frames_the_balance_is_coarse() {
    let memory = Memory::small(1000);
    memory.write(0..1000);
    let child = Child::that(|| {
        memory.write(0..300);
        memory.give_back(900..1000);
    });
    let (span, pid, own) = (memory.span(), child.pid(), std::process::id());
    let thread = std::thread::spawn(move || {
        drop_admin();
        let (root, budget) = (Path::new("/proc"), BalanceBudget::default());
        read_balance(root, own, &[pid], &[span], page_bytes(), budget)
    });
    let found = thread.join().unwrap();
    assert_eq!(
        found.inheritors,
        [balance(BalanceIs::Coarse, [600, 300, 0, 100, 0])]
    );
    assert_eq!(found.distinct_pages, None);
}

/// Gives up `CAP_SYS_ADMIN` (21) for this thread.
fn drop_admin() {
    // Version 3; then effective, permitted and inheritable, the low halves and the high ones.
    let mut header = [0x2008_0522u32, 0];
    let mut sets = [0u32; 6];
    // SAFETY: both are as large as the kernel takes them.
    let done = unsafe {
        let got = libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr());
        sets[0] &= !(1 << 21);
        got | libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr())
    };
    assert_eq!(done, 0);
}
