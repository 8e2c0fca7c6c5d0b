//! Loads the object: sets its globals and the sizes of its maps, and attaches its programs.

use std::io;

use aya::{Ebpf, EbpfError, EbpfLoader, maps::RingBuf};
use aya_log::EbpfLogger;
use cowtrace_common::{
    object::{global, map, program},
    range::RANGE_BUCKETS,
    thread::{TASKS_PER_CHUNK, THREAD_SLOTS},
};
use flate2::Crc;
use tokio::io::unix::AsyncFd;

use super::{
    attached::Probe,
    backend::Settings,
    btf::Btf,
    cast::Cast,
    direct_map,
    error::ProbeError,
    kernel::{Kernel, try_smallest_program},
    natives::Natives,
    offsets::{self, Globals},
    programs,
    pythons::Pythons,
    rings::{Processors, Rings},
    tables::{Sizes, Tables},
    unseen::Unseen,
};

/// The kernel side's object, which the build script builds.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/cowtrace-ebpf.o"));

/// What tells one build's kernel side from another's.
pub struct EmbeddedObject {
    /// Its size.
    pub bytes: usize,
    /// Checksum, as of gzip.
    pub crc32: u32,
}

/// The kernel side that this program brings along.
#[must_use]
pub fn embedded_object() -> EmbeddedObject {
    let mut crc = Crc::new();
    crc.update(OBJECT);
    EmbeddedObject {
        bytes: OBJECT.len(),
        crc32: crc.sum(),
    }
}

/// What a backend needs when it is loaded.
pub(super) struct Plan {
    pub backend: &'static str,
    /// Globals that its hooks read, beside those for following processes.
    pub globals: Globals,
    /// Whether it counts copies where they are committed. It then never counts a copy that lost a race
    /// for a page.
    pub counts_commits: bool,
    /// Whether its hooks may need their second programs.
    pub has_second: bool,
}

/// Loads the object, attaches the backend's hooks by `attach_hooks`, then those that follow processes. The
/// backend's come first, since they decide whether it can run. They see nothing until a process is traced.
pub(super) fn load_probe(
    kernel: &Kernel,
    settings: Settings,
    btf: &Btf,
    plan: &Plan,
    attach_hooks: impl Fn(&mut Ebpf) -> Result<Vec<Unseen>, ProbeError>,
) -> Result<Probe, ProbeError> {
    let cast = Cast::find(btf);
    match (
        cast,
        probe_with(kernel, settings, btf, plan, cast, &attach_hooks),
    ) {
        // A kernel can have the function and not allow every program to call it.
        (
            Some(_),
            Err(
                error @ ProbeError::Refused {
                    by_verifier: true, ..
                },
            ),
        ) => {
            log::debug!("kernel memory is read by a helper: {error}");
            probe_with(kernel, settings, btf, plan, None, &attach_hooks)
        }
        (_, attached) => attached,
    }
}

/// Whether what stores do is found out. By helpers that would cost too much, and where only the page of a write is
/// known, so is not what was there.
fn tells_stores(settings: Settings, btf: &Btf, plan: &Plan, cast: Option<Cast>) -> bool {
    let knows_address = !plan.counts_commits || btf.offset("vm_fault", "real_address").is_ok();
    settings.stores && cast.is_some() && knows_address
}

fn probe_with(
    kernel: &Kernel,
    settings: Settings,
    btf: &Btf,
    plan: &Plan,
    cast: Option<Cast>,
    attach_hooks: &impl Fn(&mut Ebpf) -> Result<Vec<Unseen>, ProbeError>,
) -> Result<Probe, ProbeError> {
    let mut globals = offsets::of_tasks(btf)?;
    globals.extend(offsets::of_exits(btf)?);
    globals.extend_from_slice(&plan.globals);
    globals.extend(cast.map(Cast::globals).unwrap_or_default());
    let walks_native = settings.writers.is_some_and(|walks| walks.native);
    if settings.writers.is_some() {
        globals.extend(offsets::of_writers(btf, kernel.page_bytes)?);
        globals.push((global::TAKE_EVIDENCE, 1));
        let tells = tells_stores(settings, btf, plan, cast);
        globals.push((global::TELL_STORES, u32::from(tells)));
    }
    let walks = settings.writers.is_some_and(|walks| walks.python);
    if walks {
        globals.extend(offsets::of_python(btf)?);
    }
    if walks_native {
        globals.extend(offsets::of_native(btf)?);
    }
    // Without plain loads each entry of a page table takes a helper call. That costs more than reading by
    // the process's own address, which a backend that counts commits may do.
    let follows_tables = settings.writers.is_some()
        && kernel.arch == "x86_64"
        && (cast.is_some() || !plan.counts_commits);
    if follows_tables {
        globals.extend(direct_map::direct_map_globals(btf)?);
    }
    let has_second = plan.has_second || kernel.preempts_tracepoints || walks_native;
    globals.push((global::HAS_SECOND, u32::from(has_second)));
    let range_shift = settings.range_bytes.trailing_zeros();
    let page_shift = kernel.page_bytes.trailing_zeros();
    globals.push((global::COUNT_TOUCHES, u32::from(settings.touches)));
    globals.push((global::RANGE_SHIFT, range_shift));
    globals.push((global::PAGE_SHIFT, page_shift));
    globals.push((global::BUCKET_MASK, RANGE_BUCKETS - 1));
    let processors = Processors::of_machine()?;
    let ring_bytes = settings
        .ring_bytes
        .unwrap_or_else(|| processors.ring_bytes());
    globals.push((global::RING_SHIFT, ring_bytes.ilog2()));
    globals.push((global::LEAST_SAMPLING, settings.sampling.least));
    globals.push((global::MOST_SAMPLING, settings.sampling.most));
    let mut ebpf = load_object(kernel, &globals, cast, settings, &processors)?;
    let mut unseen = attach_hooks(&mut ebpf)?;
    if follows_tables && !direct_map::find_direct_map(&mut ebpf)? && !plan.counts_commits {
        unseen.push(Unseen::Objects);
    }
    let log = settings
        .diagnostics
        .then(|| EbpfLogger::init(&mut ebpf).ok())
        .flatten();
    let sizes = Sizes {
        task_ids: kernel.pid_max,
        slots: settings.slots.unwrap_or(2 * THREAD_SLOTS),
        processors: processors.count,
        range_shift,
        page_shift,
    };
    let tables = Tables::take(&mut ebpf, sizes)?;
    if plan.counts_commits {
        tables.settle_races();
    }
    let pythons = walks.then(|| Pythons::take(&mut ebpf)).transpose()?;
    let natives = walks_native.then(|| Natives::take(&mut ebpf)).transpose()?;
    let rings = settings
        .writers
        .is_some()
        .then(|| Rings::create(&mut ebpf, &processors, ring_bytes))
        .transpose()?;
    let events = ebpf
        .take_map(map::EVENTS)
        .ok_or(ProbeError::NoMap(map::EVENTS))?;
    let events = RingBuf::try_from(events).map_err(ProbeError::map(map::EVENTS))?;
    // SAFETY: the ring buffer owns its descriptor and gives the same one as long as it lives.
    let events = unsafe { AsyncFd::register(events) }.map_err(|source| ProbeError::Mapping {
        name: map::EVENTS,
        error: source.into(),
    })?;
    for hook in program::OF_LIFECYCLE {
        programs::attach_twins(&mut ebpf, kernel, hook)?;
    }
    Ok(Probe {
        backend: plan.backend,
        rejected: Vec::new(),
        unseen,
        range_bytes: settings.range_bytes,
        tables,
        events,
        rings,
        pythons,
        natives,
        log,
        ebpf,
        races_are_settled: plan.counts_commits,
    })
}

fn load_object(
    kernel: &Kernel,
    globals: &Globals,
    cast: Option<Cast>,
    settings: Settings,
    processors: &Processors,
) -> Result<Ebpf, ProbeError> {
    let log_level: u8 = if settings.diagnostics {
        aya_log::Level::Debug as u8
    } else {
        0
    };
    let mut loader = object_loader();
    loader
        .map_max_entries(map::TASKS, kernel.pid_max.div_ceil(TASKS_PER_CHUNK))
        .map_max_entries(map::EVIDENCE, processors.count)
        .map_max_entries(map::LOSS, processors.count)
        // At level 0 the verifier removes the diagnostics as dead code.
        .override_global(aya_log::LEVEL, &log_level, true);
    if !settings.writers.is_some_and(|walks| walks.native) {
        loader.map_max_entries(map::NATIVE_STACKS, 1);
    }
    for (name, value) in globals {
        loader.override_global(name, value, true);
    }
    let result = match cast {
        Some(cast) => loader.load(&cast.patch(OBJECT)),
        None => loader.load(OBJECT),
    };
    result.map_err(|error| why_not_loaded(&error))
}

/// Where no program may be loaded at all, the library says something else: that it knows of nothing the kernel can do.
fn why_not_loaded(error: &EbpfError) -> ProbeError {
    match try_smallest_program() {
        Err(refused)
            if matches!(
                refused.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
            ) =>
        {
            ProbeError::programs(&refused)
        }
        _ => ProbeError::object(error),
    }
}

/// Loads the object without globals, for programs that do nothing.
pub(super) fn for_trial() -> Result<Ebpf, ProbeError> {
    object_loader()
        .load(OBJECT)
        .map_err(|error| why_not_loaded(&error))
}

fn object_loader<'a>() -> EbpfLoader<'a> {
    let mut loader = EbpfLoader::new();
    // No program needs relocation by the kernel's types, and parsing them takes time.
    loader.btf(None);
    loader
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use object::{File, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

    use super::*;
    use cowtrace_common::object::HookPrograms;

    /// Names of the object's symbols of some section and kind.
    fn symbols(is_wanted: impl Fn(&str, SymbolKind) -> bool) -> BTreeSet<String> {
        let object = File::parse(OBJECT).unwrap();
        let section = |symbol: &object::Symbol<'_, '_>| {
            let section = object.section_by_index(symbol.section_index()?).ok()?;
            section.name().map(str::to_owned).ok()
        };
        object
            .symbols()
            .filter(|symbol| section(symbol).is_some_and(|name| is_wanted(&name, symbol.kind())))
            .map(|symbol| symbol.name().unwrap().to_owned())
            .collect()
    }

    fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        names.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_object_has_the_maps_that_are_named() {
        let of_log = "AYA_LOGS";
        let is_map = |section: &str| ["maps", ".maps"].contains(&section);
        let found = symbols(|section, kind| is_map(section) && kind == SymbolKind::Data);
        assert_eq!(found, set(map::ALL.iter().copied().chain([of_log])));
    }

    #[test]
    fn the_object_has_the_globals_that_are_named() {
        let mut found = symbols(|section, kind| section == ".rodata" && kind == SymbolKind::Data);
        // Texts of the diagnostics.
        found.retain(|name| !name.starts_with("anon."));
        assert_eq!(
            found,
            set(global::ALL.iter().copied().chain([aya_log::LEVEL]))
        );
    }

    #[test]
    fn the_object_has_the_programs_that_are_named() {
        let is_program = |section: &str, kind| section != ".text" && kind == SymbolKind::Text;
        let both = |hook: &HookPrograms| [Some(hook.first), hook.second];
        let named = program::ALL.iter().flat_map(both).flatten();
        assert_eq!(symbols(is_program), set(named));
    }
}
