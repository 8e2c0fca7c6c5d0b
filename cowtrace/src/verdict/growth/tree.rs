//! What a traced tree grew by, in figures, and what that is called.

use std::collections::{BTreeSet, HashMap};

use super::{
    copies::CopiesInMemory,
    ended::pages_of_ended,
    lives::GrowthOfLives,
    machine::{BesideService, MACHINE_FLOOR_BYTES, MachineGrowth},
    series::{NewMemory, flat_copies, rate_of_last_part},
    shape::{FLOOR_BYTES, GrowthShape, SOON_NS, Series},
    window::Window,
};
use crate::{
    run::{Role, Run},
    verdict::{before::much_unshared_before, endings::victims},
};

/// Likewise as one part in so many of the anonymous memory of the tree.
const FLOOR_PART: u64 = 50;
/// In less time nothing can be seen to come and go, ns.
const MOMENT_NS: u64 = 3_000_000_000;
/// A part of the growth is named from this share on.
const PART_SHARE: f64 = 0.15;
/// Copies of which at most this share was in memory at one time were made by processes that did not last.
const LASTING_SHARE: f64 = 0.5;
/// Likewise where one after the other copies a lot: at no time more than one in so many of all copies was in
/// memory, and next to none of processes that have lived for a while. A service that replaces its workers
/// once has a half at one time, twice a third.
const GENERATIONS: u64 = 4;

/// What a verdict is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerdictKind {
    CopyOnWrite,
    Growing,
    Both,
    GrowsUntilReplaced,
    ComesAndGoes,
    WarmedUp,
    TooEarly,
    NothingGrew,
    KernelMemory,
    SharedMemory,
    PageCache,
    Elsewhere,
}

impl VerdictKind {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::CopyOnWrite,
        Self::Growing,
        Self::Both,
        Self::GrowsUntilReplaced,
        Self::ComesAndGoes,
        Self::WarmedUp,
        Self::TooEarly,
        Self::NothingGrew,
        Self::KernelMemory,
        Self::SharedMemory,
        Self::PageCache,
        Self::Elsewhere,
    ];

    /// Whether new memory keeps growing, or may, of a worker at least.
    pub(crate) const fn may_keep_growing(self) -> bool {
        matches!(
            self,
            Self::Growing | Self::Both | Self::GrowsUntilReplaced | Self::TooEarly
        )
    }

    /// As it stands in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CopyOnWrite => "copy-on-write",
            Self::Growing => "growing",
            Self::Both => "both",
            Self::GrowsUntilReplaced => "grows-until-replaced",
            Self::ComesAndGoes => "comes-and-goes",
            Self::WarmedUp => "warmed-up",
            Self::TooEarly => "too-early",
            Self::NothingGrew => "nothing-grew",
            Self::KernelMemory => "kernel-memory",
            Self::SharedMemory => "shared-memory",
            Self::PageCache => "page-cache",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What the memory of the traced tree grew by, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeGrowth {
    pub(crate) kind: VerdictKind,
    /// What it is by the memory of processes alone.
    pub(crate) kind_of_processes: VerdictKind,
    /// What the machine lost; `None` if that was not read.
    pub(crate) machine: Option<MachineGrowth>,
    /// When the time begins that it is about, ns since the start of the run: with the first fork.
    pub(crate) from_ns: u64,
    /// How long that is: while workers lived, ns.
    pub(crate) duration_ns: u64,
    /// Copied on write by all processes in that time.
    pub(crate) copied_bytes: u64,
    /// Of these, copies of processes that lived at the end: what of it may be in memory.
    pub(crate) held_bytes: u64,
    /// The most of these at one time.
    pub(crate) peak_held_bytes: u64,
    /// New memory of processes that lived at the end.
    pub(crate) new_bytes: u64,
    /// New memory that all processes touched.
    pub(crate) touched_bytes: u64,
    /// New memory that was given back, by exits too.
    pub(crate) returned_bytes: u64,
    pub(crate) shape: GrowthShape,
    /// New memory in the last two fifths of the trace, bytes a second.
    pub(crate) new_rate: u64,
    /// Copies in the last two fifths of the trace, bytes a second.
    pub(crate) copied_rate: u64,
    /// For how long next to nothing was copied before the end, ns; `None` where that is too short to say.
    pub(crate) copied_flat_ns: Option<u64>,
    /// What workers grow by until they are replaced; `None` if they do not, or too few were seen.
    pub(crate) lives: Option<GrowthOfLives>,
    /// What processes had of their own before the trace that ended in it, bytes: they gave it back.
    pub(crate) ended_bytes: u64,
    /// What the masters of a command had loaded when they first forked, which is no growth, bytes; `None` if the
    /// trace did not see that.
    pub(crate) loaded_bytes: Option<u64>,
}

impl TreeGrowth {
    /// When the time ends that it is about, ns since the start of the run.
    pub(crate) const fn to_ns(self) -> u64 {
        self.from_ns.saturating_add(self.duration_ns)
    }

    /// Copies and new memory of the processes that lived at the end.
    pub(crate) const fn growth_bytes(&self) -> u64 {
        self.held_bytes + self.new_bytes
    }

    /// The share of the growth that was copied; 0 if nothing grew.
    pub(crate) fn copied_share(&self) -> f64 {
        self.held_bytes as f64 / self.growth_bytes().max(1) as f64
    }

    /// Whether others ended meanwhile that had about as much, or a good part of it: then memory did not grow by
    /// all this.
    pub(crate) fn has_successors(&self) -> bool {
        let part = self.growth_bytes() as f64 * PART_SHARE;
        self.ended_bytes >= FLOOR_BYTES && self.ended_bytes as f64 >= part
    }

    /// Whether new memory is a part worth a word beside copies.
    pub(crate) fn has_new_part(&self) -> bool {
        let part = self.growth_bytes() as f64 * PART_SHARE;
        self.new_bytes >= FLOOR_BYTES && self.new_bytes as f64 >= part
    }

    /// What it grew by, by name, bytes.
    pub(crate) const fn parts(&self) -> [(&'static str, u64); 2] {
        [("copied", self.held_bytes), ("new", self.new_bytes)]
    }
}

/// What the memory of a run grew by; `None` in recordings of versions that did not look.
pub(crate) fn growth_of_tree(run: &Run) -> Option<TreeGrowth> {
    if !run.has_growth() {
        return None;
    }
    let window = Window::of(run)?;
    let new = NewMemory::of(&window);
    let copies = CopiesInMemory::of(run);
    let held = copies.over_time(&window);
    let held_pages = held.last().map_or(0, |(_, pages)| *pages);
    let peak = held.iter().map(|(_, pages)| *pages).max().unwrap_or(0);
    let zero_filled = run.copied().zero;
    let all_copied = run.copied().total() - zero_filled;
    let touched = window.touched_pages() + zero_filled;
    let tree = window.most_before() + held_pages + new.last();
    let least = FLOOR_BYTES / run.head.host.page_bytes;
    let floor = least.max(tree / FLOOR_PART);
    let shape = new.shape(floor, touched);
    let mut growth = TreeGrowth {
        kind: VerdictKind::NothingGrew,
        kind_of_processes: VerdictKind::NothingGrew,
        machine: MachineGrowth::of(run, &window, &sum_of_series(&held, new.series())),
        from_ns: window.bounds_ns()?.0,
        duration_ns: window.duration_ns(),
        copied_bytes: run.bytes(all_copied.saturating_sub(window.copied_before())),
        held_bytes: run.bytes(held_pages),
        peak_held_bytes: run.bytes(peak),
        new_bytes: run.bytes(new.last()),
        touched_bytes: run.bytes(touched),
        returned_bytes: run.bytes(touched.saturating_sub(new.last())),
        shape,
        new_rate: run.bytes(new.rate()),
        copied_rate: run.bytes(rate_of_last_part(&held)),
        copied_flat_ns: flat_copies(&held),
        lives: GrowthOfLives::of(run, &window, floor),
        ended_bytes: run.bytes(pages_of_ended(run, &window)),
        loaded_bytes: window.loaded_pages(run).map(|pages| run.bytes(pages)),
    };
    let lasting = run.bytes(copies.lasting(&window));
    let floor = run.bytes(floor);
    growth.kind_of_processes = match kind_of(&growth, lasting, floor) {
        // Those that grew are gone, and their successors begin anew.
        VerdictKind::WarmedUp if !victims(run).is_empty() => VerdictKind::Growing,
        kind if victims(run).is_empty() && is_of_lives(&growth, kind) => {
            VerdictKind::GrowsUntilReplaced
        }
        kind => kind,
    };
    growth.kind = kind_beside(run, &growth, floor).unwrap_or(growth.kind_of_processes);
    Some(growth)
}

/// Two series of the same times, added up.
fn sum_of_series(one: &Series, other: &Series) -> Series {
    let both = one.iter().zip(other);
    both.map(|((at, one), (_, other))| (*at, one.saturating_add(*other)))
        .collect()
}

/// Whether something else grew than the memory of processes: the kernel's memory if that is more, and all else
/// only where processes did not grow. What is known of the service comes before what is known of the machine.
fn kind_beside(run: &Run, growth: &TreeGrowth, floor: u64) -> Option<VerdictKind> {
    let beside = growth.machine?.beside;
    if growth.duration_ns < SOON_NS {
        return None;
    }
    let processes = growth.growth_bytes();
    // What may be another's says nothing about a service that did something.
    let did_nothing = growth.kind_of_processes == VerdictKind::NothingGrew;
    let may_be_named = beside.is_services_kernel || did_nothing;
    // What is known to be the service's own goes before what may be another's.
    let is_more_than_shared = beside.kernel_bytes > beside.services_shared_bytes;
    if may_be_named && is_more_than_shared && is_kernels(&beside, processes, floor) {
        return Some(VerdictKind::KernelMemory);
    }
    let has_other_news = || much_unshared_before(run, FLOOR_BYTES).is_some();
    if !did_nothing || (!beside.is_services_shared() && has_other_news()) {
        return None;
    }
    let is_much = |bytes: u64, floor: u64| bytes >= floor && bytes > processes;
    let shared = is_much(beside.shared_bytes, floor).then_some(VerdictKind::SharedMemory);
    let files = is_much(beside.page_cache_bytes, floor).then_some(VerdictKind::PageCache);
    let others = beside.elsewhere_bytes.unwrap_or(0);
    let others = is_much(others, MACHINE_FLOOR_BYTES).then_some(VerdictKind::Elsewhere);
    if beside.is_of_service || beside.is_services_shared() {
        shared.or(files).or(others)
    } else {
        others.or(shared).or(files)
    }
}

/// Whether most of what the service's memory grew by is the kernel's.
fn is_kernels(beside: &BesideService, processes: u64, floor: u64) -> bool {
    beside.kernel_bytes >= floor && beside.kernel_bytes > processes
}

/// Whether the kernel's memory is worth a word beside that of processes.
pub(crate) fn is_kernel_part(growth: &TreeGrowth) -> bool {
    let kernel = growth.machine.map_or(0, |it| it.beside.kernel_bytes);
    let all = growth.growth_bytes().saturating_add(kernel);
    kernel >= FLOOR_BYTES && kernel as f64 >= all as f64 * PART_SHARE
}

/// Processes that lived at the end of what the verdict is about, by their numbers; `None` in recordings of
/// versions that did not look.
pub(crate) fn processes_at_end(run: &Run) -> Option<BTreeSet<u32>> {
    let window = run.has_growth().then(|| Window::of(run)).flatten()?;
    let last = window.samples().last()?;
    Some(last.held_by_process.keys().copied().collect())
}

/// Anonymous pages of the largest worker and of all masters at the end of what the verdict is about; `None`
/// where there are none of both.
pub(crate) fn held_at_end(run: &Run) -> Option<(u64, u64)> {
    let window = run.has_growth().then(|| Window::of(run)).flatten()?;
    let held = &window.samples().last()?.held_by_process;
    let workforce = run.workforce();
    let workers = workforce.workers.iter();
    let largest = workers.filter_map(|it| held.get(&it.forked.id)).max()?;
    let masters = held.iter().filter(|(id, _)| {
        let process = run.process(**id);
        process.is_some_and(|it| it.role == Role::Master)
    });
    let masters = masters
        .map(|(_, pages)| *pages)
        .reduce(u64::saturating_add)?;
    Some((*largest, masters))
}

/// New pages of the processes that lived at the end of what the verdict is about, by their numbers; empty in
/// recordings of versions that did not look.
pub(crate) fn new_pages_by_process(run: &Run) -> HashMap<u32, u64> {
    let window = run.has_growth().then(|| Window::of(run)).flatten();
    let last = window.as_ref().and_then(|window| window.samples().last());
    let new = |window: &Window<'_>| {
        let held = last.into_iter().flat_map(|last| &last.held_by_process);
        held.map(|(&id, &held)| (id, window.new_pages(id, held)))
            .collect()
    };
    window.as_ref().map(new).unwrap_or_default()
}

/// Whether it is no other than that workers grow until they are replaced, though the tree looks like `kind`: its
/// sum is that of workers of any age.
fn is_of_lives(growth: &TreeGrowth, kind: VerdictKind) -> bool {
    let Some(lives) = growth.lives.filter(|_| growth.duration_ns >= SOON_NS) else {
        return false;
    };
    let most = lives.bytes.saturating_mul(lives.living.max(1));
    let is_mostly_new = lives.bytes >= lives.copied_bytes && most >= growth.held_bytes;
    // What grows beside them would not be said, nor that there is ever more of them.
    let grows = matches!(kind, VerdictKind::Growing | VerdictKind::Both);
    is_mostly_new && !lives.others_grow && (lives.is_flat || !grows)
}

/// What it is. `lasting`: copies of processes that have lived for a while, bytes.
fn kind_of(growth: &TreeGrowth, lasting: u64, floor: u64) -> VerdictKind {
    let is_part =
        |bytes: u64| bytes >= floor && bytes as f64 >= growth.growth_bytes() as f64 * PART_SHARE;
    let passes = growth.copied_bytes >= floor
        && growth.peak_held_bytes.saturating_mul(GENERATIONS) <= growth.copied_bytes
        && !is_part(lasting);
    let copied = is_part(growth.held_bytes) && !passes;
    let new = is_part(growth.new_bytes);
    if !copied && !new {
        let most_ended = (growth.held_bytes as f64) < growth.copied_bytes as f64 * LASTING_SHARE;
        let work = passes || growth.copied_bytes >= floor && most_ended;
        let is_moment = growth.duration_ns < MOMENT_NS;
        let churn = growth.shape == GrowthShape::ComesAndGoes && !is_moment;
        return if work || churn {
            VerdictKind::ComesAndGoes
        } else {
            VerdictKind::NothingGrew
        };
    }
    if growth.duration_ns < SOON_NS {
        return VerdictKind::TooEarly;
    }
    // Where new memory is most of it, it is not called copy-on-write, though it may have stopped.
    let mostly_new = new && (!copied || growth.new_bytes > growth.held_bytes);
    match (copied, new.then_some(growth.shape)) {
        (true, Some(GrowthShape::Growing)) => VerdictKind::Both,
        (false, Some(GrowthShape::Growing)) => VerdictKind::Growing,
        (_, Some(GrowthShape::Unclear)) => VerdictKind::TooEarly,
        (_, Some(GrowthShape::Stopped(_))) if mostly_new => VerdictKind::WarmedUp,
        (_, Some(GrowthShape::ComesAndGoes | GrowthShape::Nothing)) if mostly_new => {
            VerdictKind::ComesAndGoes
        }
        (true, _) => VerdictKind::CopyOnWrite,
        (false, _) => VerdictKind::NothingGrew,
    }
}
