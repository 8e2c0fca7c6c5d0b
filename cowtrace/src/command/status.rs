//! Exit statuses, by what went wrong.

use super::diff::{Exceeded, Unlike};
use crate::{diff, live::TerminalError, output::OutputError, recording::WriteError};

/// It failed.
const FAILED: u8 = 1;
/// The arguments are wrong.
pub const WRONG_USAGE: u8 = 2;
/// NEW copies more than was allowed.
const EXCEEDED: u8 = 3;
/// The runs did not run alike, so that a limit says nothing of them.
const UNLIKE: u8 = 4;

/// The exit status for an error.
#[must_use]
pub fn status_of(error: &anyhow::Error) -> u8 {
    if error.is::<Exceeded>() {
        EXCEEDED
    } else if error.is::<Unlike>() {
        UNLIKE
    } else if is_wrong_usage(error) {
        WRONG_USAGE
    } else {
        FAILED
    }
}

/// Whether the arguments contradict each other, which is known only when their files are looked at.
fn is_wrong_usage(error: &anyhow::Error) -> bool {
    let output = match error.downcast_ref::<WriteError>() {
        Some(WriteError::Output(output)) => Some(output),
        _ => error.downcast_ref::<OutputError>(),
    };
    let runs = error.downcast_ref::<diff::Error>();
    let screen = error.downcast_ref::<TerminalError>();
    matches!(screen, Some(TerminalError::None | TerminalError::Dumb))
        || matches!(
            output,
            Some(OutputError::Source(_) | OutputError::NoName(_))
        )
        || matches!(
            runs,
            Some(diff::Error::Number(_) | diff::Error::SameRun(..))
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn what_contradicts_itself_is_wrong_usage() {
        let path = || "run.cow".into();
        let source: Result<(), _> = Err(OutputError::Source(path()));
        let recording: Result<(), _> = Err(WriteError::Output(OutputError::NoName(path())));
        let there: Result<(), _> = Err(OutputError::Exists(path()));
        let of = |result: anyhow::Result<()>| status_of(&result.expect_err("an error"));
        assert_eq!(of(source.context("cannot write")), WRONG_USAGE);
        assert_eq!(of(recording.context("cannot record")), WRONG_USAGE);
        assert_eq!(of(there.context("cannot write")), FAILED);
        assert_eq!(status_of(&diff::Error::Number(21).into()), WRONG_USAGE);
        assert_eq!(status_of(&anyhow::anyhow!("anything else")), FAILED);
    }
}
