//! This program as another process: how it starts itself as a hidden subcommand, and who called it.
//!
//! A trace runs as root. Work that does not need root, or must not have it, is done in another
//! process or with another user's rights: a command is started as the user who called
//! ([`launcher`]), a process that may crash reads foreign files ([`again`], with [`NAMER`]), and
//! the user's files are opened with the user's rights ([`caller`]). What the trace itself no longer needs,
//! it gives up ([`privileges`]).

mod again;
mod by_sudo;
pub mod caller;
mod launcher;
pub mod privileges;

pub use again::{DEMO_SERVICE, LAUNCHER, NAMER, StarterError, find_starter, own_path, start_again};
pub use by_sudo::{command_by_sudo, itself_by_sudo};
pub use launcher::{become_command, start_waiting, untraced_command};
