//! Tries a backend or a case in a separate process, and reports the result.

use std::{env, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};
use cowtrace_tests::{
    cases::{self, Case, Judged, PYTHON},
    tracer::program,
};
use serde_json::{Value, json};

use crate::limited::{self, Ended};

/// A case takes one to four seconds on an emulated machine.
const LIMIT: Duration = Duration::from_secs(90);

/// Whether cowtrace can trace anything here with this backend; if not, its reason.
pub(crate) fn backend(name: &str) -> Result<(), String> {
    let pid = std::process::id().to_string();
    let mut command = Command::new(program("cowtrace"));
    command.args(["--pid", &pid, "--duration", "10ms", "--backend", name]);
    command.arg("--no-keep");
    let ended = limited::run(&mut command, LIMIT).map_err(|error| format!("{error:#}"))?;
    match ended.status {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(ended.errors.trim().to_owned()),
        None => Err(format!("no answer in {} s", LIMIT.as_secs())),
    }
}

/// The result of a case, even if it crashes or hangs.
pub(crate) fn case(backend: &str, case: &str) -> Value {
    observed(backend, case).unwrap_or_else(|error| {
        json!({
            "backend": backend,
            "case": case,
            "expected": expectation(backend, case),
            "counted": "nothing",
            "ok": false,
            "note": format!("{error:#}"),
        })
    })
}

fn expectation(backend: &str, case: &str) -> String {
    if case == PYTHON {
        return cases::python_expectation();
    }
    Case::named(case).expectation(backend)
}

/// The result of a case that finished.
pub(crate) fn verdict(backend: &str, case: &str, judged: &Judged) -> Value {
    json!({
        "backend": backend,
        "case": case,
        "expected": judged.expected,
        "counted": judged.counted,
        "ok": judged.faults.is_empty(),
        "note": judged.faults.join("; "),
    })
}

fn observed(backend: &str, case: &str) -> Result<Value> {
    again(&["observe", backend, case])
}

/// This program again, with other arguments: what it prints.
pub(crate) fn again(arguments: &[&str]) -> Result<Value> {
    let itself = env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(itself);
    let Ended {
        status,
        output,
        errors,
    } = limited::run(command.args(arguments), LIMIT)?;
    match status {
        None => bail!("no end in {} s: {}", LIMIT.as_secs(), errors.trim()),
        Some(status) if !status.success() => bail!("{}", errors.trim()),
        Some(_) => serde_json::from_str(&output).context("it printed no result"),
    }
}
