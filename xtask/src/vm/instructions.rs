//! What tracing adds to the copy of a page with each backend, in instructions: in an emulated machine whose clock counts
//! them. They say how the backends compare, and not how long a copy takes: all instructions count the same, also those
//! that copy the page.

use std::{io::Write, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    BACKENDS,
    conditions::Conditions,
    initramfs::Initramfs,
    kernels::{self, Choice},
    programs,
    qemu::{Accelerator, Guest},
    verdict::Verdict,
};
use crate::{arch::Arch, packages, say};

/// All three backends run there.
const ARCH: Arch = Arch::X86_64;
const KERNEL: &str = "6.12";
/// Inherited pages that a child writes at a time.
const PAGES: u32 = 4_096;
/// Until the machine is taken to hang.
const PATIENCE: Duration = Duration::from_mins(20);
/// The guest's name for nothing traced.
const UNTRACED: &str = "untraced";
/// What the guest calls it, after the backend and a comma.
const COUNTING: &str = "counting";
const EVIDENCE: &str = "evidence";

/// Boots the machine, and prints the table.
pub(crate) fn run(out: &mut impl Write) -> Result<()> {
    packages::ensure(&[ARCH.emulator()])?;
    let initramfs = Initramfs::build("vm", &programs::build(ARCH)?, ARCH)?;
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
    let faults = verdict.faults(ARCH, Conditions::default(), &transcript);
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
        for (what, words) in [(COUNTING, "counting"), (EVIDENCE, "with evidence")] {
            let own = added(verdict, backend, what)?;
            let to = own / added(verdict, "tracepoint", what)?;
            let title = format!("{backend}, {words}");
            writeln!(
                out,
                "{title:<32} {:>9.0} {own:>+9.0} {to:>14.2}",
                untraced + own
            )?;
        }
    }
    writeln!(out, "\n{:<32} {:>9}", "evidence / counting", "ratio")?;
    for backend in BACKENDS {
        let ratio = added(verdict, backend, EVIDENCE)? / added(verdict, backend, COUNTING)?;
        writeln!(out, "{backend:<32} {ratio:>9.2}")?;
    }
    Ok(())
}

/// What a backend adds to an untraced page.
fn added(verdict: &Verdict, backend: &str, what: &str) -> Result<f64> {
    Ok(figure(verdict, &format!("{backend},{what}"))? - figure(verdict, UNTRACED)?)
}

/// The instructions of a variant.
fn figure(verdict: &Verdict, variant: &str) -> Result<f64> {
    let mut measured = verdict.instructions.iter();
    let found = measured.find(|(name, _)| name == variant);
    match found.with_context(|| format!("the machine does not say a figure of {variant}"))? {
        (_, Ok(figure)) => Ok(*figure),
        (_, Err(reason)) => bail!("cannot measure {variant}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: &[&str]) -> Result<String> {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("@cowtrace {line}"))
            .collect();
        let mut out = Vec::new();
        print(&Verdict::read(&lines), &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn backends_are_compared_by_what_they_add() {
        let lines = [
            r#"{"variant":"untraced","instructions":1000.0}"#,
            r#"{"variant":"trampoline,counting","instructions":1400.0}"#,
            r#"{"variant":"trampoline,evidence","instructions":1600.0}"#,
            r#"{"variant":"kprobe,counting","instructions":1500.0}"#,
            r#"{"variant":"kprobe,evidence","instructions":1500.0}"#,
            r#"{"variant":"tracepoint,counting","instructions":1100.0}"#,
            r#"{"variant":"tracepoint,evidence","instructions":1200.0}"#,
        ];
        let text = printed(&lines).unwrap();
        let row = |title: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.starts_with(title));
            let words = line.unwrap().split_whitespace();
            words.rev().take(3).map(str::to_owned).collect()
        };
        assert_eq!(row("trampoline, counting"), ["4.00", "+400", "1400"]);
        assert_eq!(row("trampoline, with"), ["3.00", "+600", "1600"]);
        assert!(text.ends_with(&format!("{:<32} {:>9}\n", "tracepoint", "2.00")));
    }

    #[test]
    fn a_variant_that_was_not_measured_fails_the_table() {
        let untraced = r#"{"variant":"untraced","instructions":1000.0}"#;
        let error = printed(&[untraced]).unwrap_err().to_string();
        assert!(error.contains("trampoline,counting"), "{error}");
        let impossible = r#"{"variant":"trampoline,counting","impossible":"it saw 3 of 9"}"#;
        let error = printed(&[untraced, impossible]).unwrap_err().to_string();
        assert!(error.contains("it saw 3 of 9"), "{error}");
    }
}
