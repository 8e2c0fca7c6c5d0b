//! All tests of the whole program in one binary: several would each link the whole library.

mod cli;
mod cli_diff;
mod doctor;
mod flame_graphs;
mod free_memory;
mod golden_reports;
mod heap;
mod heap_command;
mod heap_growing;
mod heap_places;
mod html_memory;
mod html_report;
mod kept;
mod kernel;
mod recordings;
mod redacted;
mod reports;
mod version;
mod widths;

/// Called when the program is loaded: what the tests trace is kept away from the user's own runs.
// SAFETY: the section holds pointers to functions of this type, which the C library calls.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_TESTS: extern "C" fn() = keep_elsewhere;

extern "C" fn keep_elsewhere() {
    // SAFETY: no other thread has been started yet.
    unsafe { std::env::set_var("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR")) }
}
