//! The kernel's functions that handle write faults, by the names this kernel has for them, and
//! the hooks on them. The trampoline and the kprobe backend differ only in how a hook is attached.

use aya::{
    Btf as KernelBtf, Ebpf,
    programs::{Program, ProgramError},
};
use log::info;

use super::{Btf, ProbeError, Unseen, load};

/// How a hook gets into a function.
#[derive(Clone, Copy)]
pub(super) enum Technique<'a> {
    /// A trampoline at entry and exit (fentry, fexit).
    Trampoline {
        /// The kernel's types, by which it finds functions.
        types: &'a KernelBtf,
        /// Whether each hook needs its second program: the kernel preempts them.
        twice: bool,
    },
    /// A breakpoint or jump at entry, and a changed return address (kprobe, kretprobe). Runs
    /// with preemption off.
    Probe,
}

impl Technique<'_> {
    const fn at_entry(self) -> &'static str {
        match self {
            Self::Trampoline { .. } => "fentry",
            Self::Probe => "kprobe",
        }
    }

    const fn at_exit(self) -> &'static str {
        match self {
            Self::Trampoline { .. } => "fexit",
            Self::Probe => "kretprobe",
        }
    }
}

/// What this kernel calls the functions.
pub(super) struct Functions {
    write: &'static str,
    mapped: &'static str,
    finish: Option<&'static str>,
    huge: Option<Huge>,
}

/// The same for hugetlbfs.
struct Huge {
    write: &'static str,
    /// Which program knows where its arguments are.
    arguments: &'static str,
    mapped: &'static str,
}

impl Functions {
    /// Looks them up in the kernel's types.
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
            // The later name first: kernels in between have both, one calling the other.
            mapped: required(&["folio_add_new_anon_rmap", "page_add_new_anon_rmap"])?,
            finish: first(&["finish_fault"]),
            huge: first(&["hugetlb_wp", "hugetlb_cow"])
                .and_then(|write| Some((write, arguments(&btf.parameters(write)?)?)))
                .zip(first(&[
                    "hugetlb_add_new_anon_rmap",
                    "hugepage_add_new_anon_rmap",
                ]))
                .map(|((write, arguments), mapped)| Huge {
                    write,
                    arguments,
                    mapped,
                }),
        })
    }

    /// Attaches everything. What the kernel cannot show is told, unless nothing works without it.
    pub(super) fn attach(
        &self,
        ebpf: &mut Ebpf,
        technique: Technique<'_>,
    ) -> Result<Vec<Unseen>, ProbeError> {
        group(ebpf, technique, &self.writes(technique))?;
        let mut unseen = Vec::new();
        let finish = self.finishes(technique).map_or_else(
            || Err(ProbeError::NoFunction("finish_fault".into())),
            |hooks| group(ebpf, technique, &hooks),
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

    /// Trampolines of some kernels cannot take as many arguments as `hugetlb_wp` has there; a
    /// kernel probe does not mind.
    fn attach_huge(&self, ebpf: &mut Ebpf, technique: Technique<'_>) -> Result<(), ProbeError> {
        let huge = self
            .huge
            .as_ref()
            .ok_or_else(|| ProbeError::NoFunction("hugetlb_wp".into()))?;
        match (technique, group(ebpf, technique, &huge.hooks(technique))) {
            (Technique::Trampoline { .. }, Err(error)) => {
                let probe = Technique::Probe;
                group(ebpf, probe, &huge.hooks(probe)).map_err(|_| error)
            }
            (_, result) => result,
        }
    }

    /// Exits first: a fault that began before a hook on its end was there would stay open.
    fn writes(&self, technique: Technique<'_>) -> [Hook; 3] {
        [
            Hook::new(technique.at_exit(), "write", self.write),
            Hook::new(technique.at_entry(), "mapped", self.mapped),
            Hook::new(technique.at_entry(), "write", self.write),
        ]
    }

    fn finishes(&self, technique: Technique<'_>) -> Option<[Hook; 2]> {
        let finish = self.finish?;
        Some([
            Hook::new(technique.at_exit(), "finish", finish),
            Hook::new(technique.at_entry(), "finish", finish),
        ])
    }
}

impl Huge {
    fn hooks(&self, technique: Technique<'_>) -> [Hook; 3] {
        [
            Hook::new(technique.at_exit(), "huge", self.write),
            Hook::new(technique.at_entry(), "huge_mapped", self.mapped),
            Hook::new(technique.at_entry(), self.arguments, self.write),
        ]
    }
}

/// Which program reads the arguments of this kernel's `hugetlb_wp`.
fn arguments(names: &[String]) -> Option<&'static str> {
    let place = |wanted| names.iter().position(|name| name == wanted);
    match (place("vmf"), place("vma"), place("address")) {
        (Some(0), ..) => Some("huge_0"),
        (Some(1), ..) => Some("huge_1"),
        (None, Some(1), Some(2)) => Some("huge_args"),
        _ => None,
    }
}

/// A program and the function it is for.
#[derive(Clone)]
struct Hook {
    program: String,
    function: &'static str,
}

impl Hook {
    fn new(when: &str, what: &str, function: &'static str) -> Self {
        Self {
            program: format!("{when}_{what}"),
            function,
        }
    }

    fn second(&self) -> Self {
        Self {
            program: load::second(&self.program),
            function: self.function,
        }
    }
}

/// Attaches hooks that are of use only together: all or none.
fn group(ebpf: &mut Ebpf, technique: Technique<'_>, hooks: &[Hook]) -> Result<(), ProbeError> {
    let twice = matches!(technique, Technique::Trampoline { twice: true, .. });
    let programs: Vec<Hook> = hooks
        .iter()
        .flat_map(|hook| [Some(hook.clone()), twice.then(|| hook.second())])
        .flatten()
        .collect();
    let attached = programs
        .iter()
        .try_for_each(|hook| attach(ebpf, technique, hook));
    if attached.is_err() {
        for hook in &programs {
            if let Some(program) = ebpf.program_mut(&hook.program) {
                load::unload(program);
            }
        }
    }
    attached
}

fn attach(ebpf: &mut Ebpf, technique: Technique<'_>, hook: &Hook) -> Result<(), ProbeError> {
    let program = ebpf
        .program_mut(&hook.program)
        .ok_or_else(|| ProbeError::NoProgram(hook.program.clone()))?;
    attach_program(program, technique, hook.function).map_err(ProbeError::program(&format!(
        "{} of {}",
        technique.at_entry(),
        hook.function
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
            ("5.10", "page", "hugetlb_cow", "huge_args", "hugepage"),
            ("6.1", "page", "hugetlb_wp", "huge_args", "hugepage"),
            ("6.12", "folio", "hugetlb_wp", "huge_0", "hugetlb"),
            ("6.19", "folio", "hugetlb_wp", "huge_0", "hugetlb"),
            ("7.0", "folio", "hugetlb_wp", "huge_0", "hugetlb"),
            ("7.3", "folio", "hugetlb_wp", "huge_0", "hugetlb"),
        ];
        for (kernel, mapped, huge_write, arguments, huge_mapped) in known {
            let found = Functions::find(&of_kernel(kernel)).unwrap();
            let huge = found.huge.unwrap();
            assert_eq!(
                found.mapped,
                format!("{mapped}_add_new_anon_rmap"),
                "{kernel}"
            );
            assert_eq!(found.finish, Some("finish_fault"), "{kernel}");
            assert_eq!(
                (huge.write, huge.arguments),
                (huge_write, arguments),
                "{kernel}"
            );
            assert_eq!(
                huge.mapped,
                format!("{huge_mapped}_add_new_anon_rmap"),
                "{kernel}"
            );
        }
    }

    #[test]
    fn every_shape_of_hugetlb_wp_has_its_program() {
        let of =
            |names: &[&str]| arguments(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&["vmf"]), Some("huge_0"));
        assert_eq!(of(&["pagecache_folio", "vmf"]), Some("huge_1"));
        let old = ["mm", "vma", "address", "ptep", "pagecache_page", "ptl"];
        assert_eq!(of(&old), Some("huge_args"));
        assert_eq!(of(&["folio", "mm", "vma"]), None);
    }
}
