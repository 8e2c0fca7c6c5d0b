//! The kernel functions that handle write faults, by the names that this kernel has for them, and their
//! hooks. The trampoline and the kprobe backend differ only in how they attach a hook.

use aya::{
    Btf as KernelBtf, Ebpf,
    programs::{Program, ProgramError},
};
use cowtrace_common::object::{HookPrograms, program};
use log::info;

use super::{btf::Btf, error::ProbeError, programs, unseen::Unseen};

/// How to hook a function.
#[derive(Clone, Copy)]
pub(super) enum Technique<'a> {
    /// Trampolines at entry and exit (fentry, fexit).
    Trampoline {
        /// The kernel's types, by which aya finds functions.
        types: &'a KernelBtf,
        /// Whether each hook needs its second program, since the kernel preempts programs.
        twice: bool,
    },
    /// A breakpoint or jump at entry, and a changed return address (kprobe, kretprobe). These programs
    /// run with preemption off.
    Probe,
}

impl Technique<'_> {
    const fn programs(self) -> &'static FunctionPrograms {
        match self {
            Self::Trampoline { .. } => &FunctionPrograms::OF_TRAMPOLINES,
            Self::Probe => &FunctionPrograms::OF_PROBES,
        }
    }

    /// What hooks a function's entry.
    const fn at_entry(self) -> &'static str {
        match self {
            Self::Trampoline { .. } => "fentry",
            Self::Probe => "kprobe",
        }
    }
}

/// The programs of a technique, by what they see.
struct FunctionPrograms {
    write_begins: HookPrograms,
    write_ends: HookPrograms,
    page_mapped: HookPrograms,
    finish_begins: HookPrograms,
    finish_ends: HookPrograms,
    huge_write_begins: fn(FaultArgument) -> HookPrograms,
    huge_write_ends: HookPrograms,
    huge_page_mapped: HookPrograms,
}

impl FunctionPrograms {
    const OF_TRAMPOLINES: Self = Self {
        write_begins: program::FENTRY_WRITE,
        write_ends: program::FEXIT_WRITE,
        page_mapped: program::FENTRY_MAPPED,
        finish_begins: program::FENTRY_FINISH,
        finish_ends: program::FEXIT_FINISH,
        huge_write_begins: |argument| match argument {
            FaultArgument::First => program::FENTRY_HUGE_0,
            FaultArgument::Second => program::FENTRY_HUGE_1,
            FaultArgument::Apart => program::FENTRY_HUGE_ARGS,
        },
        huge_write_ends: program::FEXIT_HUGE,
        huge_page_mapped: program::FENTRY_HUGE_MAPPED,
    };
    const OF_PROBES: Self = Self {
        write_begins: program::KPROBE_WRITE,
        write_ends: program::KRETPROBE_WRITE,
        page_mapped: program::KPROBE_MAPPED,
        finish_begins: program::KPROBE_FINISH,
        finish_ends: program::KRETPROBE_FINISH,
        huge_write_begins: |argument| match argument {
            FaultArgument::First => program::KPROBE_HUGE_0,
            FaultArgument::Second => program::KPROBE_HUGE_1,
            FaultArgument::Apart => program::KPROBE_HUGE_ARGS,
        },
        huge_write_ends: program::KRETPROBE_HUGE,
        huge_page_mapped: program::KPROBE_HUGE_MAPPED,
    };
}

/// Which argument of this kernel's `hugetlb_wp` is the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultArgument {
    First,
    Second,
    /// None: mapping and address are separate arguments.
    Apart,
}

/// This kernel's names of the functions.
pub(super) struct FaultFunctions {
    write: &'static str,
    mapped: &'static str,
    finish: Option<&'static str>,
    huge: Option<HugeFunctions>,
}

/// The functions for hugetlbfs.
struct HugeFunctions {
    write: &'static str,
    fault: FaultArgument,
    mapped: &'static str,
}

impl FaultFunctions {
    /// Looks the functions up in the kernel's types.
    pub(super) fn find(btf: &Btf) -> Result<Self, ProbeError> {
        let first = |names: &[&'static str]| -> Option<&'static str> {
            let there = |name: &&&'static str| btf.parameters(name).is_some();
            names.iter().find(there).copied()
        };
        let required = |names: &[&'static str]| {
            first(names).ok_or_else(|| ProbeError::NoFunction(names.join(" or ")))
        };
        Ok(Self {
            write: required(&["do_wp_page"])?,
            // The newer name first: some kernels have both, and one calls the other.
            mapped: required(&["folio_add_new_anon_rmap", "page_add_new_anon_rmap"])?,
            finish: first(&["finish_fault"]),
            huge: first(&["hugetlb_wp", "hugetlb_cow"])
                .and_then(|write| Some((write, fault_argument(&btf.parameters(write)?)?)))
                .zip(first(&[
                    "hugetlb_add_new_anon_rmap",
                    "hugepage_add_new_anon_rmap",
                ]))
                .map(|((write, fault), mapped)| HugeFunctions {
                    write,
                    fault,
                    mapped,
                }),
        })
    }

    /// Attaches all hooks. Returns what this kernel does not allow to see; an error if that is every copy.
    pub(super) fn attach(
        &self,
        ebpf: &mut Ebpf,
        technique: Technique<'_>,
    ) -> Result<Vec<Unseen>, ProbeError> {
        attach_group(ebpf, technique, &self.writes(technique))?;
        let mut unseen = Vec::new();
        let finish = self.finishes(technique).map_or_else(
            || Err(ProbeError::NoFunction("finish_fault".into())),
            |hooks| attach_group(ebpf, technique, &hooks),
        );
        if let Err(error) = finish {
            info!("first writes to private files: {error}");
            unseen.push(Unseen::FirstFileWrites);
        }
        if let Err(error) = self.attach_huge(ebpf, technique) {
            info!("huge pages of hugetlbfs: {error}");
            unseen.push(Unseen::Hugetlb);
        }
        Ok(unseen)
    }

    /// Hooks hugetlbfs. On some kernels `hugetlb_wp` has more arguments than a trampoline can take: then
    /// by kernel probes.
    fn attach_huge(&self, ebpf: &mut Ebpf, technique: Technique<'_>) -> Result<(), ProbeError> {
        let huge = self
            .huge
            .as_ref()
            .ok_or_else(|| ProbeError::NoFunction("hugetlb_wp".into()))?;
        match (
            technique,
            attach_group(ebpf, technique, &huge.hooks(technique)),
        ) {
            (Technique::Trampoline { .. }, Err(error)) => {
                let probe = Technique::Probe;
                attach_group(ebpf, probe, &huge.hooks(probe)).map_err(|_| error)
            }
            (_, result) => result,
        }
    }

    /// Exits first: otherwise a fault could begin before its end is hooked, and stay open.
    fn writes(&self, technique: Technique<'_>) -> [FunctionHook; 3] {
        let programs = technique.programs();
        [
            FunctionHook::new(programs.write_ends, self.write),
            FunctionHook::new(programs.page_mapped, self.mapped),
            FunctionHook::new(programs.write_begins, self.write),
        ]
    }

    fn finishes(&self, technique: Technique<'_>) -> Option<[FunctionHook; 2]> {
        let (programs, finish) = (technique.programs(), self.finish?);
        Some([
            FunctionHook::new(programs.finish_ends, finish),
            FunctionHook::new(programs.finish_begins, finish),
        ])
    }
}

impl HugeFunctions {
    fn hooks(&self, technique: Technique<'_>) -> [FunctionHook; 3] {
        let programs = technique.programs();
        [
            FunctionHook::new(programs.huge_write_ends, self.write),
            FunctionHook::new(programs.huge_page_mapped, self.mapped),
            FunctionHook::new((programs.huge_write_begins)(self.fault), self.write),
        ]
    }
}

/// Finds the fault among the names of `hugetlb_wp`'s arguments.
fn fault_argument(names: &[String]) -> Option<FaultArgument> {
    let place = |wanted| names.iter().position(|name| name == wanted);
    match (place("vmf"), place("vma"), place("address")) {
        (Some(0), ..) => Some(FaultArgument::First),
        (Some(1), ..) => Some(FaultArgument::Second),
        (None, Some(1), Some(2)) => Some(FaultArgument::Apart),
        _ => None,
    }
}

/// The programs of a hook and the function that they hook.
#[derive(Clone, Copy)]
struct FunctionHook {
    programs: HookPrograms,
    function: &'static str,
}

impl FunctionHook {
    const fn new(programs: HookPrograms, function: &'static str) -> Self {
        Self { programs, function }
    }

    /// Each program to attach, with the function.
    fn attachments(self, twice: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
        let second = self.programs.second.filter(|_| twice);
        let programs = [Some(self.programs.first), second].into_iter().flatten();
        programs.map(move |program| (program, self.function))
    }
}

/// Attaches hooks that only work together: all or none.
fn attach_group(
    ebpf: &mut Ebpf,
    technique: Technique<'_>,
    hooks: &[FunctionHook],
) -> Result<(), ProbeError> {
    let twice = matches!(technique, Technique::Trampoline { twice: true, .. });
    let attachments = || hooks.iter().flat_map(|hook| hook.attachments(twice));
    let attached = attachments()
        .try_for_each(|(program, function)| attach(ebpf, technique, program, function));
    if attached.is_err() {
        for (name, _) in attachments() {
            if let Some(program) = ebpf.program_mut(name) {
                programs::unload_program(program);
            }
        }
    }
    attached
}

fn attach(
    ebpf: &mut Ebpf,
    technique: Technique<'_>,
    name: &'static str,
    function: &str,
) -> Result<(), ProbeError> {
    let program = ebpf.program_mut(name).ok_or(ProbeError::NoProgram(name))?;
    attach_program(program, technique, function).map_err(ProbeError::program(&format!(
        "{} of {function}",
        technique.at_entry()
    )))
}

fn attach_program(
    program: &mut Program,
    technique: Technique<'_>,
    function: &str,
) -> Result<(), ProgramError> {
    match (program, technique) {
        (Program::FEntry(program), Technique::Trampoline { types, .. }) => {
            program.load(function, types)?;
            program.attach().map(drop)
        }
        (Program::FExit(program), Technique::Trampoline { types, .. }) => {
            program.load(function, types)?;
            program.attach().map(drop)
        }
        (Program::KProbe(program), Technique::Probe) => {
            program.load()?;
            program.attach(function, 0).map(drop)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::btf::tests::of_kernel;

    #[test]
    fn each_kernels_names_are_found() {
        let known = [
            (
                "5.10",
                "page",
                "hugetlb_cow",
                FaultArgument::Apart,
                "hugepage",
            ),
            (
                "6.1",
                "page",
                "hugetlb_wp",
                FaultArgument::Apart,
                "hugepage",
            ),
            (
                "6.12",
                "folio",
                "hugetlb_wp",
                FaultArgument::First,
                "hugetlb",
            ),
            (
                "6.19",
                "folio",
                "hugetlb_wp",
                FaultArgument::First,
                "hugetlb",
            ),
            (
                "7.0",
                "folio",
                "hugetlb_wp",
                FaultArgument::First,
                "hugetlb",
            ),
            (
                "7.3",
                "folio",
                "hugetlb_wp",
                FaultArgument::First,
                "hugetlb",
            ),
        ];
        for (kernel, mapped, huge_write, fault, huge_mapped) in known {
            let found = FaultFunctions::find(&of_kernel(kernel)).unwrap();
            let huge = found.huge.unwrap();
            assert_eq!(
                found.mapped,
                format!("{mapped}_add_new_anon_rmap"),
                "{kernel}"
            );
            assert_eq!(found.finish, Some("finish_fault"), "{kernel}");
            assert_eq!((huge.write, huge.fault), (huge_write, fault), "{kernel}");
            assert_eq!(
                huge.mapped,
                format!("{huge_mapped}_add_new_anon_rmap"),
                "{kernel}"
            );
        }
    }

    #[test]
    fn the_fault_is_found_in_every_shape_of_hugetlb_wp() {
        let of = |names: &[&str]| {
            fault_argument(&names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of(&["vmf"]), Some(FaultArgument::First));
        assert_eq!(of(&["pagecache_folio", "vmf"]), Some(FaultArgument::Second));
        let old = ["mm", "vma", "address", "ptep", "pagecache_page", "ptl"];
        assert_eq!(of(&old), Some(FaultArgument::Apart));
        assert_eq!(of(&["folio", "mm", "vma"]), None);
    }
}
