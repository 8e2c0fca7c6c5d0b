//! The only program of a virtual machine of `cargo xtask vm`: runs every case with every backend on
//! the machine's kernel, reports the results on the console, and switches the machine off.
//!
//! Each result is one line of JSON after `@cowtrace `. Each case runs in a separate process (this
//! program again), so that a case that panics or hangs does not stop the others.

mod console;
mod limited;
mod machine;
mod trial;

use std::{env, process};

use cowtrace_tests::cases::{ALL, Case};
use serde_json::json;

use console::Console;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["observe", backend, case] => observe(backend, case),
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
    console.tell(&machine::description());
    let cases = asked_for(&machine::cases(), &mut console);
    for backend in machine::backends() {
        run(&mut console, &backend, &cases);
    }
    console.finish();
    machine::switch_off()
}

/// Cases by name; all if no name is given.
fn asked_for(names: &[String], console: &mut Console) -> Vec<&'static Case> {
    if names.is_empty() {
        return ALL.iter().collect();
    }
    let find = |name: &String| ALL.iter().find(|case| case.name == name);
    if let Some(unknown) = names.iter().find(|name| find(name).is_none()) {
        console.tell(&json!({ "broken": format!("there is no case {unknown}") }));
    }
    names.iter().filter_map(find).collect()
}

/// Runs cases with one backend, or says why it cannot be used here.
fn run(console: &mut Console, backend: &str, cases: &[&Case]) {
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
    let case = Case::named(name);
    let seen = case.observe(Some(backend));
    let mut judged = case.judge(&seen);
    if seen.backend() != backend {
        let taken = seen.backend();
        judged.faults.push(format!("cowtrace took {taken} instead"));
    }
    println!("{}", trial::verdict(backend, case, &judged));
}
