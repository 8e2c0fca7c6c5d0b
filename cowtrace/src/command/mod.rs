//! One thin file a subcommand.

mod begin;
mod demo;
mod diff;
mod doctor;
mod ends;
mod exits;
mod follow_recording;
mod heap;
mod keep;
mod label;
mod living;
mod log;
mod name;
mod progress;
mod range;
mod ready;
mod record;
mod report;
mod rights;
mod screen;
mod session;
mod shell;
mod status;
mod trace;
mod watching;

pub use demo::{native_service, run_demo};
pub use diff::run_diff;
pub use doctor::{run_doctor, stay_with_empty_hooks};
pub use heap::run_heap;
pub use label::run_label;
pub use name::run_name;
pub use report::run_report;
pub use session::AlreadyReported;
pub use shell::{print_completions, print_manual};
pub use status::{WRONG_USAGE, status_of};
pub use trace::run_trace;
