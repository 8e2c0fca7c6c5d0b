//! The limit of open files: a trace needs some for its tables and hooks, and one for each program
//! or library whose code it names.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use thiserror::Error;

/// Files that a trace has open besides those it names code from: tables, programs and hooks take at
/// most 64; a recording, a heap walk and the naming process take a few more.
pub const LEAST_OPEN_FILES: u64 = 128;

/// Programs and libraries that code is named by, at most: each is a file that is kept open.
const MOST_NAMED_BY: u64 = 512;

/// The system lets this process have too few files open.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "only {limit} files may be open at a time (ulimit -n), and a trace needs at least {LEAST_OPEN_FILES}: \
     raise the limit with `ulimit -n 1024` before the trace, or LimitNOFILE=1024 in a systemd unit"
)]
pub struct TooFewFiles {
    limit: u64,
}

/// Raises the limit of open files as far as permitted, and returns it.
#[derive(Clone, Copy, Debug)]
pub struct OpenFiles {
    before: Option<(rlim_t, rlim_t)>,
}

impl OpenFiles {
    /// Raises the limit as far as the process may without privileges.
    #[must_use]
    pub fn raise() -> Self {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return Self { before: None };
        };
        let is_raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        Self {
            before: is_raised.then_some((soft, hard)),
        }
    }

    /// Reports an error if the limit is still too low for a trace.
    pub fn check() -> Result<(), TooFewFiles> {
        match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((limit, _)) if limit < LEAST_OPEN_FILES => Err(TooFewFiles { limit }),
            _ => Ok(()),
        }
    }

    /// Files that may be kept open beside what a trace needs, only to save opening them again: half of what
    /// is left.
    #[must_use]
    pub fn spare() -> usize {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(limit, _)| limit);
        spare_of(limit)
    }

    /// Runs a function, such as starting a command, with the original limit. Programs that use
    /// `select()` break under a higher one.
    pub fn as_before<T>(self, act: impl FnOnce() -> T) -> T {
        let Some((soft, hard)) = self.before else {
            return act();
        };
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        let result = act();
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        result
    }
}

fn spare_of(limit: u64) -> usize {
    let left = limit.saturating_sub(LEAST_OPEN_FILES + MOST_NAMED_BY);
    usize::try_from(left / 2).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trace_needs_is_not_spare() {
        for (limit, spare) in [(0, 0), (128, 0), (640, 0), (1024, 192), (4096, 1728)] {
            assert_eq!(spare_of(limit), spare, "{limit}");
        }
        assert_eq!(
            OpenFiles::spare() > 0,
            getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 > 641
        );
    }
}
