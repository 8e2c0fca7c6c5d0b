//! One piece of advice.

/// Compares the last two runs that were kept.
const CHECK: &str = "cowtrace diff";

/// What to do about a cause of copies, or not to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// What to do, in a few words.
    pub(crate) what: String,
    /// Why, in sentences.
    pub(crate) because: String,
    /// Whether it helps. People try what does not help, too.
    pub(crate) helps: bool,
    /// The new memory that it is about; what moving variables saves by what lies on the copied pages; or the
    /// copies, and those whose cause is not known, bytes. `None` if it saves nothing by itself.
    pub(crate) saves_at_most_bytes: Option<u64>,
    /// Of what does not help: why the figure is small, in words that stand in front of it. Empty if it helps.
    pub(crate) would_change: &'static str,
    /// The command that shows whether it helped.
    pub(crate) command: Option<&'static str>,
}

impl Advice {
    pub(super) fn helping(
        what: &str,
        because: impl Into<String>,
        saves_at_most_bytes: u64,
    ) -> Self {
        Self {
            what: what.into(),
            because: because.into(),
            helps: true,
            saves_at_most_bytes: Some(saves_at_most_bytes),
            would_change: "",
            command: Some(CHECK),
        }
    }
}
