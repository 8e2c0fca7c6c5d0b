//! The counts on each kernel, as Markdown for the documentation: one table per backend.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{BACKENDS, Outcome, verdict::CaseResult};

/// Today, in UTC.
pub(crate) fn today() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    let output = output.context("cannot ask for the date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The whole page.
pub(crate) fn markdown(outcomes: &[Outcome], date: &str) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut text, outcomes, date);
    text
}

fn write_page(text: &mut String, outcomes: &[Outcome], date: &str) -> fmt::Result {
    writeln!(text, "# Kernels\n")?;
    writeln!(
        text,
        "Pages copied in each case of the `workload` program, as counted on {date} by `cargo xtask vm`, which\n\
         wrote this file; in the case `python`, the share of a known service's copies that were found under the right type,\n\
         line and variable. The virtual machines have four processors. Unexpected counts are **bold**. Where a few\n\
         pages were copied although 0 is expected, the copies are real, as the page frames show ([kernel.md](kernel.md), facts)."
    )?;
    for backend in BACKENDS {
        write_backend(text, outcomes, backend)?;
    }
    Ok(())
}

fn write_backend(text: &mut String, outcomes: &[Outcome], backend: &str) -> fmt::Result {
    writeln!(text, "\n## {backend}\n")?;
    let ran: Vec<(&Outcome, BTreeMap<&str, &CaseResult>)> = outcomes
        .iter()
        .map(|outcome| (outcome, results(outcome, backend)))
        .filter(|(_, results)| !results.is_empty())
        .collect();
    if let Some((first, _)) = ran.first() {
        write_head(text, &ran)?;
        let cases = first.verdict.results.iter();
        for case in cases.filter(|result| result.backend == backend) {
            write_row(text, case, &ran)?;
        }
        writeln!(text)?;
    }
    for outcome in outcomes
        .iter()
        .filter(|outcome| results(outcome, backend).is_empty())
    {
        let reason = reason(outcome, backend);
        let (arch, kernel) = (outcome.arch.name(), &outcome.kernel);
        writeln!(text, "- {arch} {kernel}: not run: {reason}")?;
    }
    Ok(())
}

type Column<'a> = (&'a Outcome, BTreeMap<&'a str, &'a CaseResult>);

fn write_head(text: &mut String, columns: &[Column]) -> fmt::Result {
    write!(text, "| case | expected |")?;
    for (outcome, _) in columns {
        write!(text, " {} {} |", outcome.arch.name(), outcome.kernel)?;
    }
    writeln!(text, "\n|{}", "---|".repeat(columns.len() + 2))
}

fn write_row(text: &mut String, case: &CaseResult, columns: &[Column]) -> fmt::Result {
    write!(text, "| {} | {} |", cell(&case.case), cell(&case.expected))?;
    for (_, results) in columns {
        match results.get(case.case.as_str()) {
            Some(result) if result.ok => write!(text, " {} |", cell(&result.counted))?,
            Some(result) => write!(text, " **{}** |", cell(&result.counted))?,
            None => write!(text, " **not run** |")?,
        }
    }
    writeln!(text)
}

fn results<'a>(outcome: &'a Outcome, backend: &str) -> BTreeMap<&'a str, &'a CaseResult> {
    let results = outcome.verdict.results.iter();
    results
        .filter(|result| result.backend == backend)
        .map(|result| (result.case.as_str(), result))
        .collect()
}

/// The first line of the reason.
fn reason(outcome: &Outcome, backend: &str) -> String {
    let told = outcome.verdict.unavailable.iter();
    let told = told
        .filter(|one| one.backend == backend)
        .map(|one| &one.reason);
    let reason = told.chain(&outcome.faults).next();
    cell(
        reason
            .and_then(|text| text.lines().next())
            .unwrap_or("not asked for"),
    )
}

/// Escapes text for a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arch::Arch,
        vm::verdict::{Unavailable, Verdict},
    };

    fn outcome(kernel: &str, counted: &str, ok: bool) -> Outcome {
        Outcome {
            arch: Arch::X86_64,
            kernel: kernel.to_owned(),
            faults: Vec::new(),
            verdict: Verdict {
                results: vec![CaseResult {
                    backend: "kprobe".to_owned(),
                    case: "shared".to_owned(),
                    expected: "0".to_owned(),
                    counted: counted.to_owned(),
                    ok,
                    note: String::new(),
                }],
                unavailable: vec![Unavailable {
                    backend: "trampoline".to_owned(),
                    reason: "no | here\nat all".to_owned(),
                }],
                ..Verdict::default()
            },
        }
    }

    #[test]
    fn a_kernel_is_a_column_and_a_case_is_a_row() {
        let outcomes = [outcome("6.1", "0", true), outcome("7.3", "8", false)];
        let text = markdown(&outcomes, "2026-11-22");
        assert!(text.contains("as counted on 2026-11-22"));
        assert!(
            text.contains("\n| case | expected | x86_64 6.1 | x86_64 7.3 |\n|---|---|---|---|\n")
        );
        assert!(text.contains("\n| shared | 0 | 0 | **8** |\n"));
        assert!(text.contains("\n- x86_64 6.1: not run: no \\| here\n"));
    }

    #[test]
    fn a_kernel_that_did_not_boot_is_told() {
        let mut dead = outcome("6.19", "", true);
        dead.verdict = Verdict::default();
        dead.faults = vec!["no such kernel".to_owned()];
        let text = markdown(&[dead], "2026-11-22");
        assert!(text.contains("- x86_64 6.19: not run: no such kernel"));
    }
}
