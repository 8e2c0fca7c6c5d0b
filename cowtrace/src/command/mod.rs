//! One thin file a subcommand.

mod demo;
mod diff;
mod doctor;
mod ends;
mod exits;
mod label;
mod name;
mod progress;
mod record;
mod report;
mod shell;
mod trace;

pub use demo::{NATIVE_SERVICE, demo, native_service};
pub use diff::{EXCEEDED, Exceeded, UNLIKE, Unlike, diff};
pub use doctor::{doctor, empty_hooks};
pub use label::label;
pub use name::name;
pub use report::report;
pub use shell::{completions, man};
pub use trace::{AlreadyTold, trace};
