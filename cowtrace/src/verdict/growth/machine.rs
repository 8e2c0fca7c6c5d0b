//! What the machine lost in the time of a verdict, and to whom: the service's processes, the kernel, the page
//! cache, other processes, and a rest that nothing explains.

use super::{
    series::pages_at,
    shape::{FLOOR_BYTES, Series},
    window::Window,
};
use crate::run::{MachineReading, Run, ServiceAside};

/// Readings that close to the start and the end are compared with each other, ns: the ones with the least
/// that nothing explains.
const CLOSE_NS: u64 = 5_500_000_000;
/// What is less, and only known of the whole machine, is no finding, bytes: what nothing explains varied by
/// 65 MB in one of 10 half minutes on machines that were compiling.
pub(super) const MACHINE_FLOOR_BYTES: u64 = 64 << 20;

/// What the machine lost, bytes. What it gained is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MachineGrowth {
    /// The readings that are compared, ns since the start of the run.
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    /// All memory in use. The parts below add up to it.
    pub(crate) used_bytes: i64,
    /// Copies and new memory of the service.
    pub(crate) service_bytes: i64,
    /// Anonymous memory beyond that.
    pub(crate) others_bytes: i64,
    /// Files, which the kernel gives up where memory is needed.
    pub(crate) page_cache_bytes: i64,
    /// Memory that processes share by mapping it, and files in memory.
    pub(crate) shared_bytes: i64,
    /// What the kernel counts as its own.
    pub(crate) kernel_bytes: i64,
    /// What nothing explains: buffers of sockets, and pages that drivers took.
    pub(crate) unexplained_bytes: i64,
    /// By the kernel's estimate, at the end.
    pub(crate) available_bytes: Option<u64>,
    /// Beside the parts: what may be the service's, as well as that is known.
    pub(crate) beside: BesideService,
}

/// What grew beside the memory of the service's processes, bytes. It is of their cgroup if nothing else is in
/// that, else of the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BesideService {
    /// Whether the cgroup was read, and has no others.
    pub(crate) is_of_service: bool,
    /// The kernel's memory: that of the cgroup, and what no cgroup counts.
    pub(crate) kernel_bytes: u64,
    /// Whether most of that is of the cgroup, or of the service's own network namespace or page tables.
    pub(crate) is_services_kernel: bool,
    /// Of that, page tables of the service's processes; `None` if they were not read.
    pub(crate) page_tables_bytes: Option<u64>,
    /// Of that, buffers of the machine's sockets.
    pub(crate) socket_buffers_bytes: u64,
    /// Connections in `TIME_WAIT` more than before, in the service's network namespace.
    pub(crate) time_wait: u64,
    /// Of that, what the kernel keeps for these.
    pub(crate) time_wait_bytes: u64,
    pub(crate) page_cache_bytes: u64,
    pub(crate) shared_bytes: u64,
    /// Of that, what the service's processes have more of shared memory, at most.
    pub(crate) services_shared_bytes: u64,
    /// Anonymous memory of other processes: what both the machine's counter and theirs say; `None` if they were
    /// not compared.
    pub(crate) elsewhere_bytes: Option<u64>,
}

impl MachineGrowth {
    /// The parts, by name: they add up to all that is used.
    pub(crate) const fn parts(&self) -> [(&'static str, i64); 6] {
        [
            ("service", self.service_bytes),
            ("other-processes", self.others_bytes),
            ("page-cache", self.page_cache_bytes),
            ("shared-memory", self.shared_bytes),
            ("kernel", self.kernel_bytes),
            ("unexplained", self.unexplained_bytes),
        ]
    }

    /// `None` if the machine was not read at the start and the end of the time.
    pub(super) fn of(run: &Run, window: &Window<'_>, service: &Series) -> Option<Self> {
        let (start_ns, end_ns) = window.bounds_ns()?;
        let readings = &run.machine.readings;
        let first = readings.partition_point(|it| it.at_ns < start_ns);
        let after = readings.partition_point(|it| it.at_ns <= end_ns);
        let inside = readings.get(first..after)?;
        let (first, last) = inside.first().zip(inside.last())?;
        // A reading at each end at least.
        if last.at_ns <= first.at_ns {
            return None;
        }
        let is_early = |it: &&MachineReading| it.at_ns - first.at_ns <= CLOSE_NS;
        let is_late = |it: &&MachineReading| last.at_ns - it.at_ns <= CLOSE_NS;
        let calmest = |it: &&MachineReading| it.memory.unexplained();
        let from = inside.iter().filter(is_early).min_by_key(calmest)?;
        let to = inside.iter().filter(is_late).min_by_key(calmest)?;
        if to.at_ns <= from.at_ns {
            return None;
        }
        Some(Self {
            beside: BesideService::of(run, inside, service),
            ..Self::between(run, from, to, service)
        })
    }

    fn between(run: &Run, from: &MachineReading, to: &MachineReading, service: &Series) -> Self {
        let (before, after) = (&from.memory, &to.memory);
        let used_bytes = change(before.used(), after.used());
        let anonymous = change(before.anonymous_bytes, after.anonymous_bytes);
        let service_bytes = service_between(run, service, from.at_ns, to.at_ns);
        let shared_bytes = change(before.shmem_bytes, after.shmem_bytes);
        let files = change(
            before.cached_bytes.saturating_add(before.buffers_bytes),
            after.cached_bytes.saturating_add(after.buffers_bytes),
        );
        let unexplained_bytes = after.unexplained().saturating_sub(before.unexplained());
        let others_bytes = anonymous.saturating_sub(service_bytes);
        let page_cache_bytes = files.saturating_sub(shared_bytes);
        let known = [
            service_bytes,
            others_bytes,
            page_cache_bytes,
            shared_bytes,
            unexplained_bytes,
        ];
        Self {
            from_ns: from.at_ns,
            to_ns: to.at_ns,
            used_bytes,
            service_bytes,
            others_bytes,
            page_cache_bytes,
            shared_bytes,
            kernel_bytes: known.into_iter().fold(used_bytes, i64::saturating_sub),
            unexplained_bytes,
            available_bytes: after.available_bytes,
            beside: BesideService::default(),
        }
    }
}

impl BesideService {
    /// Whether shared memory that grew is most of it the service's.
    pub(crate) const fn is_services_shared(&self) -> bool {
        self.services_shared_bytes > self.shared_bytes / 2
    }

    /// Of readings of which those at both ends are compared.
    fn of(run: &Run, readings: &[MachineReading], service: &Series) -> Self {
        let ends = readings.first().zip(readings.last());
        let Some((first, last)) = ends else {
            return Self::default();
        };
        let mut found = Self {
            elsewhere_bytes: elsewhere_bytes(run, first, last, service),
            ..Self::default()
        };
        if let Some((before, after)) = ends_of(readings, |it| it.sockets) {
            let buffers = |it: &crate::run::SocketMemory| {
                let tcp = it.tcp_bytes.saturating_add(it.udp_bytes);
                tcp.saturating_add(it.fragments_bytes)
            };
            found.socket_buffers_bytes = buffers(&after).saturating_sub(buffers(&before));
            found.time_wait = after.time_wait.saturating_sub(before.time_wait);
            found.time_wait_bytes = after
                .time_wait_bytes()
                .saturating_sub(before.time_wait_bytes());
        }
        let page_tables = ends_of(readings, |it| it.service);
        let is_whole = |(before, after): &(ServiceAside, ServiceAside)| {
            !before.is_partial && !after.is_partial
        };
        found.page_tables_bytes = page_tables.filter(is_whole).map(|(before, after)| {
            let more = after.page_tables_bytes;
            more.saturating_sub(before.page_tables_bytes)
        });
        if !found.take_from_cgroup(run, readings) {
            found.take_from_machine(first, last);
        }
        found.take_shared(readings);
        found
    }

    /// By the shared memory that the service's processes have present: no more than they have more of it together,
    /// and no more than the machine has.
    fn take_shared(&mut self, readings: &[MachineReading]) {
        let both = ends_of(readings, |it| Some((it.memory.shmem_bytes, it.shared?)));
        let Some(((before, theirs_before), (after, theirs))) = both else {
            return;
        };
        let of_machine = after.saturating_sub(before);
        let more = theirs.sum_bytes.saturating_sub(theirs_before.sum_bytes);
        let own = more.min(of_machine);
        if own >= FLOOR_BYTES {
            self.shared_bytes = self.shared_bytes.max(own);
            self.services_shared_bytes = own.min(self.shared_bytes);
        }
    }

    /// By the counters of the service's own cgroup; whether there is one.
    fn take_from_cgroup(&mut self, run: &Run, readings: &[MachineReading]) -> bool {
        let is_alone = run.machine.place.as_ref().is_some_and(|it| it.is_alone);
        let Some((before, after)) = ends_of(readings, |it| it.cgroup).filter(|_| is_alone) else {
            return false;
        };
        // The root of all cgroups of version 1 counts none.
        let kernel = before.kernel_bytes.filter(|bytes| *bytes > 0);
        let Some((kernel_before, kernel_after)) = kernel.zip(after.kernel_bytes) else {
            return false;
        };
        let more = |before: Option<u64>, after: Option<u64>| {
            let both = before.zip(after);
            both.map_or(0, |(before, after)| after.saturating_sub(before))
        };
        self.is_of_service = true;
        let counted = kernel_after
            .saturating_sub(kernel_before)
            .saturating_add(self.time_wait_bytes);
        // Where the cgroup does not count them, they are those of the whole machine.
        let others = match after.sockets_bytes {
            Some(_) => 0,
            None => self.socket_buffers_bytes,
        };
        self.kernel_bytes = counted.saturating_add(others);
        self.is_services_kernel = counted >= others;
        self.page_cache_bytes = more(before.file_bytes, after.file_bytes);
        self.shared_bytes = more(before.shmem_bytes, after.shmem_bytes);
        true
    }

    /// By the counters of the whole machine, of which only what is large may mean something.
    fn take_from_machine(&mut self, first: &MachineReading, last: &MachineReading) {
        let (before, after) = (&first.memory, &last.memory);
        let large = |before: u64, after: u64| {
            let more = after.saturating_sub(before);
            if more < MACHINE_FLOOR_BYTES { 0 } else { more }
        };
        let slab = large(
            before
                .slab_unreclaimable_bytes
                .saturating_add(self.time_wait_bytes),
            after.slab_unreclaimable_bytes,
        );
        let parts = [
            self.page_tables_bytes.unwrap_or(0),
            self.socket_buffers_bytes,
            self.time_wait_bytes,
            slab,
        ];
        self.kernel_bytes = parts.into_iter().fold(0, u64::saturating_add);
        let own = self.page_tables_bytes.unwrap_or(0);
        self.is_services_kernel = own.saturating_add(self.time_wait_bytes) >= self.kernel_bytes / 2;
        let files = |it: &crate::run::MachineMemory| {
            let all = it.cached_bytes.saturating_add(it.buffers_bytes);
            all.saturating_sub(it.shmem_bytes)
        };
        self.page_cache_bytes = large(files(before), files(after));
        self.shared_bytes = large(before.shmem_bytes, after.shmem_bytes);
    }
}

/// What other processes have more: by the machine's counter of anonymous memory, of which the service has a
/// part, but no more than they have by their own; that counts what several share for each of them.
fn elsewhere_bytes(
    run: &Run,
    first: &MachineReading,
    last: &MachineReading,
    service: &Series,
) -> Option<u64> {
    let all = run.machine.elsewhere.as_ref()?;
    let anonymous = change(first.memory.anonymous_bytes, last.memory.anonymous_bytes);
    let ours = service_between(run, service, first.at_ns, last.at_ns);
    let theirs = u64::try_from(anonymous.saturating_sub(ours)).unwrap_or(0);
    Some(theirs.min(bytes_of(run, all.grown_pages)))
}

/// What the service's processes have more at a time than at another.
fn service_between(run: &Run, service: &Series, from_ns: u64, to_ns: u64) -> i64 {
    let at = |at_ns| bytes_of(run, pages_at(service, at_ns));
    change(at(from_ns), at(to_ns))
}

fn bytes_of(run: &Run, pages: u64) -> u64 {
    pages.saturating_mul(run.head.host.page_bytes)
}

/// The first and the last of what not every reading has.
fn ends_of<T>(
    readings: &[MachineReading],
    part: impl Fn(&MachineReading) -> Option<T>,
) -> Option<(T, T)> {
    let first = readings.iter().find_map(&part)?;
    Some((first, readings.iter().rev().find_map(&part)?))
}

fn change(before: u64, after: u64) -> i64 {
    let change = i128::from(after) - i128::from(before);
    i64::try_from(change).unwrap_or(if change < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of small numbers"
)]
mod tests;
