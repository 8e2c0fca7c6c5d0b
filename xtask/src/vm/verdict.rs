//! What a machine's console says about cowtrace, and what is wrong with it. The console also has
//! messages of the kernel and firmware, and anything that they interrupted.

use std::io::Write;

use anyhow::Result;
use serde_json::Value;

use super::{Outcome, conditions::Conditions, console::Transcript, kernels::numbers};
use crate::arch::Arch;

/// The start of the guest's lines.
const MARK: &str = "@cowtrace ";
/// Words of a kernel in trouble.
const ALARMS: [&str; 4] = [
    "Kernel panic",
    "BUG: ",
    "Oops: ",
    "general protection fault",
];
/// A processor that waits long for its host is not an error.
const NO_ALARM: &str = "soft lockup";
/// How many lines of a failed console are shown.
const TAIL: usize = 40;

/// All results of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// The kernel's release; known as soon as the guest runs.
    pub(crate) kernel: Option<String>,
    /// How far the kernel says that it is locked down.
    pub(crate) lockdown: Option<String>,
    pub(crate) results: Vec<CaseResult>,
    pub(crate) unavailable: Vec<Unavailable>,
    /// Where instructions are counted: those of each variant, or why they cannot be.
    pub(crate) instructions: Vec<(String, Result<f64, String>)>,
    /// Number of the guest's lines that arrived.
    pub(crate) heard: u64,
    /// Number of the guest's lines according to the last one.
    pub(crate) told: Option<u64>,
    pub(crate) broken: Option<String>,
    pub(crate) alarms: Vec<String>,
}

/// The counts of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaseResult {
    pub(crate) backend: String,
    pub(crate) case: String,
    pub(crate) expected: String,
    pub(crate) counted: String,
    pub(crate) ok: bool,
    pub(crate) note: String,
}

/// A backend that cannot run there, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable {
    pub(crate) backend: String,
    pub(crate) reason: String,
}

impl Verdict {
    /// Finds the guest's lines among all others.
    pub(crate) fn read(lines: &[String]) -> Self {
        let mut verdict = Self::default();
        for line in lines {
            match line.split_once(MARK) {
                Some((_, json)) => verdict.take(json),
                None if is_alarm(line) => verdict.alarms.push(line.trim().to_owned()),
                None => {}
            }
        }
        verdict
    }

    /// A damaged line counts as lost, which is noticed at the end.
    fn take(&mut self, json: &str) {
        let Ok(line) = serde_json::from_str::<Value>(json) else {
            return;
        };
        if line["done"] == true {
            self.told = line["told"].as_u64();
            return;
        }
        self.heard += 1;
        if let Some(kernel) = line["kernel"].as_str() {
            self.kernel = Some(kernel.to_owned());
            self.lockdown = line["lockdown"].as_str().map(str::to_owned);
        }
        if let Some(variant) = line["variant"].as_str() {
            let figure = line["instructions"].as_f64();
            let figure = figure.ok_or_else(|| text(&line, "impossible"));
            self.instructions.push((variant.to_owned(), figure));
        }
        if let Some(reason) = line["broken"].as_str() {
            self.broken = Some(reason.to_owned());
        }
        let backend = text(&line, "backend");
        if let Some(reason) = line["unavailable"].as_str() {
            self.unavailable.push(Unavailable {
                backend,
                reason: reason.to_owned(),
            });
        } else if line["case"].is_string() {
            self.results.push(CaseResult {
                backend,
                case: text(&line, "case"),
                expected: text(&line, "expected"),
                counted: text(&line, "counted"),
                ok: line["ok"] == true,
                note: text(&line, "note"),
            });
        }
    }

    /// Whether the guest finished and all its lines arrived.
    pub(crate) fn is_complete(&self) -> bool {
        self.told == Some(self.heard)
    }

    /// Everything that is wrong.
    pub(crate) fn faults(
        &self,
        arch: Arch,
        conditions: Conditions,
        transcript: &Transcript,
    ) -> Vec<String> {
        let mut faults = self.alarms.clone();
        if let Some(reason) = &self.broken {
            faults.push(format!("the guest could not begin: {reason}"));
        }
        if transcript.hung {
            faults.push(format!("no end in {} s", transcript.took.as_secs()));
        }
        if !self.is_complete() {
            faults.push(match self.told {
                None => "no final verdict".to_owned(),
                Some(told) => format!("{} results of {told} arrived", self.heard),
            });
        }
        if !faults.is_empty() {
            let tail = transcript.tail(TAIL).join("\n    ");
            faults.push(format!("the console's last lines:\n    {tail}"));
        }
        faults.extend(conditions.faults(self));
        if !conditions.forbid_all() {
            faults.extend(self.missing_backends(arch));
        }
        let wrong = self.results.iter().filter(|result| !result.ok);
        faults.extend(wrong.map(|result| format!("{} of {}", result.case, result.backend)));
        faults
    }

    /// Backends that trace although none may, or do not say why they cannot.
    pub(crate) fn without_refusal(&self, refusal: &str) -> Vec<String> {
        let unclear = self.unavailable.iter();
        let unclear = unclear
            .filter(|one| !one.reason.contains(refusal))
            .map(|one| format!("{} does not say \"{refusal}\": {}", one.backend, one.reason));
        let tracing = self.results.chunk_by(|a, b| a.backend == b.backend);
        let tracing = tracing.map(|results| format!("{} traced", results[0].backend));
        unclear.chain(tracing).collect()
    }

    /// Backends that this kernel is known to have, but that could not run.
    fn missing_backends(&self, arch: Arch) -> Vec<String> {
        let kernel = self.kernel.as_deref().unwrap_or_default();
        let missing = self
            .unavailable
            .iter()
            .filter(|one| known_limit(arch, kernel, &one.backend).is_none());
        missing
            .map(|one| format!("{} should run here: {}", one.backend, one.reason))
            .collect()
    }
}

/// Why a backend cannot run on a kernel, if that is expected.
fn known_limit(arch: Arch, kernel: &str, backend: &str) -> Option<&'static str> {
    let version = numbers(kernel);
    match (arch, backend) {
        (Arch::Aarch64, "tracepoint") => Some("no page-fault tracepoints on arm64"),
        (Arch::Aarch64, "trampoline") if version.as_slice() < &[6, 4] => {
            Some("no trampolines on arm64 before 6.4")
        }
        _ => None,
    }
}

fn is_alarm(line: &str) -> bool {
    ALARMS.iter().any(|alarm| line.contains(alarm)) && !line.contains(NO_ALARM)
}

fn text(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or_default().to_owned()
}

/// One line per backend, with its cases below, and everything else that is wrong.
pub(crate) fn print(outcome: &Outcome, out: &mut impl Write) -> Result<()> {
    let machine = format!("{} {}", outcome.arch.name(), outcome.kernel);
    for one in &outcome.verdict.unavailable {
        let reason = one.reason.lines().next().unwrap_or_default();
        writeln!(out, "{machine} {}: cannot run here: {reason}", one.backend)?;
    }
    for results in outcome
        .verdict
        .results
        .chunk_by(|a, b| a.backend == b.backend)
    {
        let right = results.iter().filter(|result| result.ok).count();
        let word = if right == results.len() {
            "ok"
        } else {
            "WRONG"
        };
        let backend = &results[0].backend;
        writeln!(
            out,
            "{machine} {backend}: {word}, {right} of {} cases",
            results.len()
        )?;
        for result in results {
            print_case(result, out)?;
        }
    }
    for fault in &outcome.faults {
        writeln!(out, "{machine}: WRONG: {fault}")?;
    }
    Ok(())
}

fn print_case(result: &CaseResult, out: &mut impl Write) -> Result<()> {
    let CaseResult {
        case,
        expected,
        counted,
        ok,
        note,
        ..
    } = result;
    let mark = if *ok { "  ok   " } else { "  WRONG" };
    writeln!(
        out,
        "{mark} {case:<24} expected {expected}, counted {counted}"
    )?;
    for line in note.lines() {
        writeln!(out, "          {line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = r#"@cowtrace {"backend":"kprobe","case":"shared","expected":"0","counted":"0","ok":true,"note":""}"#;
    const HELLO: &str = r#"@cowtrace {"kernel":"6.1.0-56-cloud-amd64"}"#;

    fn transcript(lines: &[&str]) -> Transcript {
        Transcript {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            ..Transcript::default()
        }
    }

    fn faults(lines: &[&str]) -> Vec<String> {
        faults_on(Arch::X86_64, lines)
    }

    fn faults_on(arch: Arch, lines: &[&str]) -> Vec<String> {
        let transcript = transcript(lines);
        Verdict::read(&transcript.lines).faults(arch, Conditions::default(), &transcript)
    }

    #[test]
    fn results_are_found_among_anything_else() {
        let garbage = "\u{fffd}[  1.0] SeaBIOS\u{1b}[2J";
        let late = format!("[    9.1] a message without an end {CASE}");
        let done = r#"@cowtrace {"done":true,"told":3}"#;
        let lines = [garbage, HELLO, CASE, "{\"done\":true}", "", &late, done];
        assert_eq!(faults(&lines), Vec::<String>::new());
        let verdict = Verdict::read(&transcript(&lines).lines);
        assert_eq!(verdict.kernel.as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(verdict.results.len(), 2);
        assert_eq!(verdict.results[0].case, "shared");
    }

    #[test]
    fn a_console_without_a_last_word_is_a_fault_and_is_shown() {
        let faults = faults(&[HELLO, CASE]);
        assert_eq!(faults[0], "no final verdict");
        assert!(faults[1].contains("shared"), "{faults:?}");
    }

    #[test]
    fn a_line_that_was_damaged_is_missed() {
        let damaged = &CASE[..CASE.len() - 9];
        let done = r#"@cowtrace {"done":true,"told":3}"#;
        assert_eq!(
            faults(&[HELLO, CASE, damaged, done])[0],
            "2 results of 3 arrived"
        );
    }

    #[test]
    fn a_kernel_in_trouble_is_a_fault_even_if_all_counts_are_right() {
        let done = r#"@cowtrace {"done":true,"told":2}"#;
        let panic = "[   3.1] Kernel panic - not syncing: Attempted to kill init!";
        assert!(faults(&[HELLO, panic])[0].contains("Attempted to kill init"));
        let bug = "[   3.1] BUG: unable to handle page fault for address: 0";
        assert!(faults(&[HELLO, CASE, bug, done])[0].contains("BUG"));
        let slow = "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!";
        assert!(faults(&[HELLO, CASE, slow, done]).is_empty());
    }

    #[test]
    fn a_wrong_count_is_a_fault() {
        let wrong = CASE.replace("true", "false");
        let done = r#"@cowtrace {"done":true,"told":2}"#;
        assert_eq!(faults(&[HELLO, &wrong, done]), ["shared of kprobe"]);
    }

    #[test]
    fn a_backend_that_should_run_may_not_be_missing() {
        let missing = |backend: &str| {
            format!(r#"@cowtrace {{"backend":"{backend}","unavailable":"the verifier says no"}}"#)
        };
        let done = r#"@cowtrace {"done":true,"told":2}"#;
        let on = |arch, backend: &str| faults_on(arch, &[HELLO, &missing(backend), done]).len();
        assert_eq!(on(Arch::X86_64, "tracepoint"), 1);
        assert_eq!(on(Arch::X86_64, "trampoline"), 1);
        assert_eq!(on(Arch::Aarch64, "tracepoint"), 0);
        assert_eq!(on(Arch::Aarch64, "trampoline"), 0);
        assert_eq!(on(Arch::Aarch64, "kprobe"), 1);
    }
}
