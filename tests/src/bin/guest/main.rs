//! The only program of a virtual machine of `cargo xtask vm`: runs every case with every backend on
//! the machine's kernel, reports the results on the console, and switches the machine off.
//!
//! Each result is one line of JSON after `@cowtrace `. Each case runs in a separate process (this
//! program again), so that a case that panics or hangs does not stop the others.
//!
//! For `cargo xtask bench --only machines` it runs the benchmark's workload instead.

mod console;
mod instructions;
mod limited;
mod machine;
mod trial;

use std::{env, process};

use cowtrace_tests::cases::{self, ALL, Case, PYTHON};
use serde_json::json;

use console::Console;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["observe", backend, case] => observe(backend, case),
        ["instructions", variant, pages] => instructions::print(variant, pages),
        _ if process::id() == 1 => boot(),
        _ => {
            eprintln!("guest: this is the first process of a virtual machine; see cargo xtask vm");
            process::exit(2);
        }
    }
}

/// Everything the machine does, from its first process to its end.
fn boot() -> ! {
    let mut console = Console::default();
    if let Err(error) = machine::mount_all() {
        console.tell(&json!({ "broken": format!("{error:#}") }));
        machine::switch_off();
    }
    machine::mount_security();
    if let Err(error) = machine::load_policy() {
        console.tell(&json!({ "broken": format!("{error:#}") }));
        machine::switch_off();
    }
    console.tell(&machine::description());
    if let Some(pages) = machine::pages_for_instructions() {
        for line in instructions::of_all(&machine::backends(), pages) {
            console.tell(&line);
        }
        console.finish();
        machine::switch_off();
    }
    let cases = asked_for(machine::cases(), &mut console);
    for backend in machine::backends() {
        run(&mut console, &backend, &cases);
    }
    console.finish();
    machine::switch_off()
}

/// Names of cases; all that this machine can run if no name is given.
fn asked_for(mut names: Vec<String>, console: &mut Console) -> Vec<String> {
    let mut all: Vec<&str> = ALL.iter().map(|case| case.name).collect();
    if cases::has_python() {
        all.push(PYTHON);
    }
    if names.is_empty() {
        return all.into_iter().map(str::to_owned).collect();
    }
    if let Some(unknown) = names.iter().find(|name| !all.contains(&name.as_str())) {
        console.tell(&json!({ "broken": format!("there is no case {unknown}") }));
    }
    names.retain(|name| all.contains(&name.as_str()));
    names
}

/// Runs cases with one backend, or says why it cannot be used here.
fn run(console: &mut Console, backend: &str, cases: &[String]) {
    if let Err(reason) = trial::backend(backend) {
        console.tell(&json!({ "backend": backend, "unavailable": reason }));
        return;
    }
    for case in cases {
        console.tell(&trial::case(backend, case));
    }
}

/// Runs one case and prints its verdict for the parent process.
fn observe(backend: &str, name: &str) {
    let (mut judged, taken) = if name == PYTHON {
        cases::judge_python(backend)
    } else {
        let case = Case::named(name);
        let seen = case.observe(Some(backend));
        (case.judge(&seen), seen.backend().to_owned())
    };
    if taken != backend {
        judged.faults.push(format!("cowtrace took {taken} instead"));
    }
    println!("{}", trial::verdict(backend, name, &judged));
}
