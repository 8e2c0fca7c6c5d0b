//! Which subcommands do their work with more rights than the user has who called.

use super::Subcommands;

impl Subcommands {
    /// Whether it does its work with more rights than the user who called has, or sees to that itself.
    #[must_use]
    pub const fn needs_privileges(&self) -> bool {
        match self {
            Self::Doctor | Self::Demo(_) | Self::EmptyHooks
            // One waits to be traced first; the other reads what its parent holds.
            | Self::Become { .. } | Self::Name => true,
            Self::Report(_) | Self::Diff(_) | Self::Label(_)
            | Self::Completions { .. } | Self::Man | Self::NativeService(_) => false,
        }
    }
}
