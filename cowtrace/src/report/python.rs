//! Python lines in words.

use super::words::{printable, shorten};
use crate::run::{PythonFrame, Run, Writer};

/// For copies whose Python line is not known.
pub(super) const NO_LINE: &str = "(not in Python code, or the line is not known)";
/// Longer names of functions are cut.
const MAX_FUNCTION: usize = 40;

/// Where in its Python code a writer was: the innermost line, and where a library was called from.
pub(super) fn line(run: &Run, writer: &Writer) -> String {
    let Some(frames) = run.python_of(writer) else {
        return NO_LINE.into();
    };
    let Some(innermost) = frames.first() else {
        return NO_LINE.into();
    };
    let mut words = format!(
        "{} in {}",
        place(innermost),
        shorten(&printable(&innermost.function), MAX_FUNCTION)
    );
    if is_library(innermost)
        && let Some(caller) = frames.iter().find(|frame| !is_library(frame))
    {
        words = format!("{words}, from {}", place(caller));
    }
    words
}

fn place(frame: &PythonFrame) -> String {
    let file = frame.file.rsplit('/').next().unwrap_or(&frame.file);
    let file = printable(file);
    match frame.line {
        Some(line) => format!("{file}:{line}"),
        None => file,
    }
}

/// Whether the code is an installed package's or the interpreter's own.
fn is_library(frame: &PythonFrame) -> bool {
    let file = frame.file.as_str();
    file.contains("/site-packages/")
        || file.contains("/dist-packages/")
        || file.contains("/lib/python3")
        || file.starts_with("<frozen ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_code_is_a_library() {
        let of = |file: &str| {
            is_library(&PythonFrame {
                function: "f".into(),
                file: file.into(),
                line: None,
            })
        };
        assert!(of("/usr/lib/python3.11/json/encoder.py"));
        assert!(of("/srv/venv/lib/python3.12/site-packages/tornado/web.py"));
        assert!(of("<frozen importlib._bootstrap>"));
        assert!(!of("/srv/app/handlers.py") && !of("<string>"));
    }
}
