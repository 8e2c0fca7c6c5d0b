//! The only program of a virtual machine of `cargo xtask vm`: runs every case with every backend
//! on the machine's kernel, tells the results on the console, and switches the machine off.
//!
//! Each result is one line that begins with `@cowtrace ` and goes on in JSON. A case runs in a
//! process of its own (this program again), so that one that panics or hangs ends nothing else.

mod console;
mod limited;
mod machine;
mod trial;

use std::{env, process};

use cowtrace_tests::cases::{ALL, BACKENDS, Case};
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
    for backend in machine::backends().unwrap_or(BACKENDS.map(str::to_owned).to_vec()) {
        run(&mut console, &backend);
    }
    console.finish();
    machine::switch_off()
}

/// All cases with one backend, or why it cannot be used here.
fn run(console: &mut Console, backend: &str) {
    if let Err(reason) = trial::backend(backend) {
        console.tell(&json!({ "backend": backend, "unavailable": reason }));
        return;
    }
    for case in ALL {
        console.tell(&trial::case(backend, case));
    }
}

/// One case: its verdict on standard output for the process that asked.
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
