//! What tracing adds to the copy of a page with each backend, in instructions: in an emulated machine whose clock counts
//! them. They say how the backends compare, and not how long a copy takes: all instructions count the same, also those
//! that copy the page.

use std::{io::Write, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    BACKENDS,
    arch::Arch,
    initramfs::Initramfs,
    kernels::{self, Choice},
    programs,
    qemu::{Accelerator, Guest},
    verdict::Verdict,
};
use crate::{packages, say};

/// All three backends run there.
const ARCH: Arch = Arch::X86_64;
const KERNEL: &str = "6.12";
/// Inherited pages that a child writes at a time.
const PAGES: u32 = 4_096;
/// Until the machine is taken to hang.
const PATIENCE: Duration = Duration::from_mins(20);
/// The guest's name for nothing traced.
const UNTRACED: &str = "untraced";

/// Boots the machine, and prints the table.
pub(crate) fn run(out: &mut impl Write) -> Result<()> {
    packages::ensure(&[ARCH.emulator()])?;
    let initramfs = Initramfs::build(&programs::build(ARCH)?, ARCH)?;
    let guest = Guest {
        arch: ARCH,
        kernel: kernels::image(&Choice::Version(KERNEL.to_owned()), ARCH, false)?,
        initramfs: initramfs.path().to_path_buf(),
        accelerator: Accelerator::Emulation,
        backends: BACKENDS.map(str::to_owned).to_vec(),
        cases: Vec::new(),
        arguments: vec![format!("cowtrace.instructions={PAGES}")],
        counts_instructions: true,
    };
    say(&format!("counting instructions on {KERNEL}, some minutes"));
    let transcript = guest.boot(PATIENCE)?;
    let verdict = Verdict::read(&transcript.lines);
    let faults = verdict.faults(ARCH, None, &transcript);
    if !faults.is_empty() {
        bail!("the machine failed: {}", faults.join("\n"));
    }
    print(&verdict, out)
}

fn print(verdict: &Verdict, out: &mut impl Write) -> Result<()> {
    let kernel = verdict.kernel.as_deref().unwrap_or(KERNEL);
    let untraced = figure(verdict, UNTRACED)?;
    writeln!(
        out,
        "\nInstructions of a copied page: Linux {kernel}, an emulated machine with one processor, {PAGES} pages\n\n\
         {:<32} {:>9} {:>9} {:>14}\n\
         {UNTRACED:<32} {untraced:>9.0}",
        "instructions a copied page", "whole", "added", "to tracepoint"
    )?;
    for backend in BACKENDS {
        for what in ["counting", "evidence"] {
            let added = |backend: &str| -> Result<f64> {
                Ok(figure(verdict, &format!("{backend},{what}"))? - untraced)
            };
            let (own, to) = (added(backend)?, added("tracepoint")?);
            let title = format!(
                "{backend}, {}",
                if what == "evidence" {
                    "with evidence"
                } else {
                    what
                }
            );
            writeln!(
                out,
                "{title:<32} {:>9.0} {own:>+9.0} {:>14.2}",
                untraced + own,
                own / to
            )?;
        }
    }
    writeln!(out, "\n{:<32} {:>9}", "evidence / counting", "ratio")?;
    for backend in BACKENDS {
        let added = |what: &str| -> Result<f64> {
            Ok(figure(verdict, &format!("{backend},{what}"))? - untraced)
        };
        writeln!(
            out,
            "{backend:<32} {:>9.2}",
            added("evidence")? / added("counting")?
        )?;
    }
    Ok(())
}

/// The instructions of a variant.
fn figure(verdict: &Verdict, variant: &str) -> Result<f64> {
    let found = verdict
        .instructions
        .iter()
        .find(|(name, _)| name == variant);
    let (_, figure) = found.with_context(|| format!("nothing is known of {variant}"))?;
    match figure {
        Ok(figure) => Ok(*figure),
        Err(reason) => bail!("cannot measure {variant}: {reason}"),
    }
}
