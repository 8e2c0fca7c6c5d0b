//! One thin file a subcommand.

mod begin;
mod demo;
mod diff;
mod doctor;
mod ends;
mod exits;
mod label;
mod living;
mod name;
mod progress;
mod range;
mod record;
mod report;
mod session;
mod shell;
mod status;
mod trace;

pub use demo::{NATIVE_SERVICE, demo, native_service};
pub use diff::diff;
pub use doctor::{doctor, empty_hooks};
pub use label::label;
pub use name::name;
pub use report::report;
pub use session::AlreadyReported;
pub use shell::{completions, man};
pub use status::{WRONG_USAGE, status_of};
pub use trace::trace;
