//! This program, once more: how it starts itself as one of its hidden subcommands, and who called it.
//!
//! A trace runs as root. What need not, or must not, is done by this program in another process, or with
//! another user's rights: a command is started as the user who called ([`launcher`]), foreign files are
//! read in a process that may fail ([`again`], with [`NAMER`]), and files are the caller's ([`caller`]).

mod again;
pub mod caller;
mod launcher;

pub use again::{DEMO_SERVICE, LAUNCHER, NAMER, StarterError, find_starter, own_path, start_again};
pub use launcher::{become_command, start_waiting, untraced_command};
