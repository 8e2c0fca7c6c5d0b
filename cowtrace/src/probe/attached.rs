//! The kernel side while it is attached.

use std::{collections::HashMap, io};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use aya_log::EbpfLogger;
use cowtrace_common::{
    evidence::Evidence,
    loss::{LOSSES, Loss},
    object::{HookPrograms, program},
};
use tokio::io::unix::AsyncFd;

use super::{
    error::{ProbeError, Rejected},
    lifecycle::Lifecycle,
    natives::Natives,
    programs,
    pythons::Pythons,
    rings::Rings,
    tables::Tables,
    unseen::Unseen,
};

/// The attached kernel side. Dropping it leaves nothing in the kernel.
pub struct Probe {
    /// Name of the backend.
    pub backend: &'static str,
    /// Backends that were tried before it and cannot run.
    pub rejected: Vec<Rejected>,
    /// What it cannot see.
    pub unseen: Vec<Unseen>,
    /// Size of a range, bytes.
    pub range_bytes: u64,
    /// The counters and slots.
    pub tables: Tables,
    pub(super) events: AsyncFd<RingBuf<MapData>>,
    /// `None` if the trace takes no evidence.
    pub(super) rings: Option<Rings>,
    /// Interpreters and Python stacks; `None` if the trace does not walk them.
    pub pythons: Option<Pythons>,
    /// Native stacks; `None` if the trace does not walk them.
    pub natives: Option<Natives>,
    pub(super) log: Option<EbpfLogger<&'static dyn log::Log>>,
    pub(super) ebpf: Ebpf,
    pub(super) races_are_settled: bool,
}

impl Probe {
    /// Waits for events.
    pub async fn wait(&self) -> io::Result<()> {
        self.events.readable().await?.clear_ready();
        Ok(())
    }

    /// The events since the last call, oldest first.
    pub fn events(&mut self) -> Vec<Lifecycle> {
        let mut events = Vec::new();
        while let Some(item) = self.events.get_mut().next() {
            events.extend(Lifecycle::decode(&item));
        }
        events
    }

    /// Passes the evidence of each copy since the last call to `take`: each processor's oldest first. A thread
    /// that changed processors may come in another order.
    pub fn evidence(&mut self, take: impl FnMut(Evidence)) {
        if let Some(rings) = &mut self.rings {
            rings.read(take);
        }
    }

    /// Writes the kernel side's diagnostics to the log.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// From now on leaves out copies of threads that lose a race for a page. Call it when a traced process
    /// has several threads. A backend that counts allocations then hooks page frees too, which slows every
    /// free of a page on the machine.
    pub fn settle_races(&mut self) -> Result<(), ProbeError> {
        if !self.races_are_settled {
            let hook = program::MM_PAGE_FREE.first;
            programs::attach_tracepoint(&mut self.ebpf, hook, hook)?;
            self.tables.settle_races();
            self.races_are_settled = true;
        }
        Ok(())
    }

    /// Detaches the hooks. The tables stay readable.
    pub fn detach(&mut self) -> Skipped {
        let skipped = self.skipped();
        for (_, program) in self.ebpf.programs_mut() {
            programs::unload_program(program);
        }
        skipped
    }

    /// Loss counters of the kernel side, in the order of [`cowtrace_common::loss::Loss`].
    #[must_use]
    pub fn loss(&self) -> [u64; LOSSES] {
        self.tables.loss()
    }

    /// Runs of hooks that the kernel skipped because the CPU was already inside the same hook (Linux 5.12
    /// counts them; 0 before). A hook with two programs lost an event only if the kernel skipped both: at
    /// most the smaller of the two counts.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        let misses: HashMap<&str, u64> = self
            .ebpf
            .programs()
            .filter_map(|(name, program)| Some((name, programs::recursion_misses(program)?)))
            .collect();
        let own = self.tables.loss()[Loss::HookFaults as usize];
        let second = |hook: HookPrograms| hook.second.and_then(|name| misses.get(name).copied());
        let preempted = second(program::MM_PAGE_ALLOC).is_some();
        let mut skipped = Skipped::default();
        for &hook in program::ALL {
            let Some(&first) = misses.get(hook.first) else {
                continue;
            };
            // Page faults by a hook's own reads are not faults of the process.
            let is_kernel_fault = hook == program::PAGE_FAULT_KERNEL;
            let own = if is_kernel_fault { own } else { 0 };
            let lost = second(hook).map_or(first.saturating_sub(own), |second| first.min(second));
            // If hooks on allocations run with preemption off, only an interrupt can run inside one. It
            // allocates and frees pages, but never for a copy.
            let of_pages = [program::MM_PAGE_ALLOC, program::MM_PAGE_FREE];
            if of_pages.contains(&hook) && !preempted {
                skipped.by_interrupts += lost;
            } else {
                skipped.runs += lost;
            }
        }
        skipped
    }
}

/// Runs of hooks that the kernel skipped, on the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Faults and life-cycle events: copies or traced processes may be missing.
    pub runs: u64,
    /// Allocations and frees by interrupts: nothing is missing.
    pub by_interrupts: u64,
}
