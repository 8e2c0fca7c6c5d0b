//! One thin file a subcommand.

mod demo;
mod doctor;
mod shell;
mod trace;

pub use demo::{NATIVE_SERVICE, demo, native_service};
pub use doctor::{doctor, empty_hooks};
pub use shell::{completions, man};
pub use trace::{AlreadyTold, trace};
