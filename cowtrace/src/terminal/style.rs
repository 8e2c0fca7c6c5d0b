//! How text may look: its width, and whether it may have colour.

use rustix::termios::tcgetwinsize;

/// How text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether to use colour.
    pub color: bool,
}

/// Width if the output does not determine one, columns.
const USUAL: usize = 80;
/// Smallest width of the layout, columns.
const NARROW: usize = 40;
/// Wider lines are harder to read.
const WIDE: usize = 160;

impl Style {
    /// What standard output can show. The caller decides about colour.
    #[must_use]
    pub fn of_terminal(is_terminal: bool, color: bool) -> Self {
        let terminals = is_terminal
            .then(|| tcgetwinsize(rustix::stdio::stdout()).ok())
            .flatten()
            .map(|size| usize::from(size.ws_col))
            // One that does not know its width, as over a serial line.
            .filter(|columns| *columns > 0);
        let wanted = terminals.or_else(|| columns(&std::env::var("COLUMNS").ok()?));
        Self {
            width: wanted.unwrap_or(USUAL).clamp(NARROW, WIDE),
            color,
        }
    }
}

/// The value of `COLUMNS`, if it is a number of columns.
fn columns(value: &str) -> Option<usize> {
    value.parse().ok().filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_a_number() {
        let read = ["60", "0", "", "-1", "wide"].map(columns);
        assert_eq!(read, [Some(60), None, None, None, None]);
    }
}
