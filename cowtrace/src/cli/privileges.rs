//! Which subcommands keep more rights than the user who called has.

use super::Subcommands;

impl Subcommands {
    /// Whether the subcommand needs more rights than the caller's, or drops them itself.
    #[must_use]
    pub const fn needs_privileges(&self) -> bool {
        match self {
            Self::Doctor | Self::List(_) | Self::Demo(_) | Self::Heap(_) | Self::EmptyHooks
            // The first must wait until it is traced; the second reads files that its parent holds.
            | Self::Become { .. } | Self::Name => true,
            Self::Report(_) | Self::Diff(_) | Self::Label(_)
            | Self::Completions { .. } | Self::Man { .. } | Self::NativeService(_) => false,
        }
    }
}
