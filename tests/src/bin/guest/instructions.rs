//! Instructions of a copied page: where QEMU moves the machine's clock by one nanosecond for each of its instructions,
//! the processor time that the workload measures is a number of instructions.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use cowtrace_tests::tracer::{Tracer, program};
use serde_json::{Value, json};

use crate::trial;

/// Samples of a variant, of which the least counts: interrupts only add instructions.
const SAMPLES: u32 = 9;
/// Samples before those: the first runs the programs and the child's code for the first time.
const WARM_UPS: u32 = 2;
/// How many calls deep the workload writes, as in the benchmark.
const CALLS: &str = "14";
/// The variant without cowtrace.
const UNTRACED: &str = "untraced";

/// All variants: nothing traced, then each backend counting, and with evidence of who wrote.
pub(crate) fn of_all(backends: &[String], pages: u32) -> Vec<Value> {
    let traced = backends
        .iter()
        .flat_map(|backend| [format!("{backend},counting"), format!("{backend},evidence")]);
    std::iter::once(UNTRACED.to_owned())
        .chain(traced)
        .map(|variant| {
            trial::again(&["instructions", &variant, &pages.to_string()]).unwrap_or_else(
                |error| json!({ "variant": variant, "impossible": format!("{error:#}") }),
            )
        })
        .collect()
}

/// Measures a variant and prints its line for the parent process.
pub(crate) fn print(variant: &str, pages: &str) {
    match measured(variant, pages) {
        Ok(instructions) => {
            println!(
                "{}",
                json!({ "variant": variant, "instructions": instructions })
            );
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error:#}");
            std::process::exit(1);
        }
    }
}

/// The least instructions a page of the variant's samples.
fn measured(variant: &str, pages: &str) -> Result<f64> {
    let mut child = Command::new(program("workload"))
        .args(["bench", pages])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the workload")?;
    let mut input = child.stdin.take().context("no input")?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    ensure!(line(&mut output)? == "ready", "the workload is not ready");
    let tracer = match variant.split_once(',') {
        None => None,
        Some((backend, what)) => Some(trace(child.id(), backend, what)?),
    };
    let mut least = f64::INFINITY;
    for sample in 0..WARM_UPS + SAMPLES {
        let each = sampled(&mut input, &mut output)?;
        if sample >= WARM_UPS {
            least = least.min(each);
        }
    }
    if let Some(tracer) = tracer {
        let copies = u64::from(WARM_UPS + SAMPLES) * pages.parse::<u64>()?;
        check(tracer, copies)?;
    }
    drop(input);
    child.wait().context("the workload does not end")?;
    Ok(least)
}

fn trace(workload: u32, backend: &str, what: &str) -> Result<Tracer> {
    let pid = workload.to_string();
    let mut arguments = vec!["--pid", &pid, "--backend", backend];
    match what {
        "counting" => arguments.push("--no-writers"),
        "evidence" => {}
        _ => bail!("there is no variant {what}"),
    }
    Ok(Tracer::start(&arguments))
}

/// The cost of a trace that missed copies, or evidence of some, would say nothing.
fn check(tracer: Tracer, copies: u64) -> Result<()> {
    let report = tracer.stop();
    let seen = report.0["totals"]["copied_pages"]
        .as_u64()
        .context("no total")?;
    ensure!(
        (copies..=copies + copies / 20).contains(&seen),
        "it saw {seen} copies of {copies}"
    );
    let losses = report.losses();
    ensure!(losses.is_empty(), "it lost {losses:?}");
    Ok(())
}

/// A sample's instructions a page.
fn sampled(input: &mut ChildStdin, output: &mut BufReader<ChildStdout>) -> Result<f64> {
    writeln!(input, "{CALLS}").context("the workload has ended")?;
    let text = line(output)?;
    text.parse()
        .with_context(|| format!("the workload said {text:?}, not how long a page took"))
}

fn line(output: &mut BufReader<ChildStdout>) -> Result<String> {
    let mut line = String::new();
    ensure!(output.read_line(&mut line)? > 0, "the workload has ended");
    Ok(line.trim_end().to_owned())
}
