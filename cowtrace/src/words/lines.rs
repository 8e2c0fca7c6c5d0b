//! Names of Python lines.

use std::collections::HashMap;

use super::shorten::shorten;
use crate::{
    foreign::printable,
    run::{PythonFrame, Run, Writer},
};

/// Name for copies with an unknown Python line.
pub(crate) const NO_LINE: &str = "(not in Python code, or the line is not known)";
/// Longer names of functions are cut.
const MAX_FUNCTION: usize = 40;
/// Longer names of files are cut.
const MAX_FILE: usize = 40;

/// Names lines. Files with the same name get as much of their paths as distinguishes them.
pub(crate) struct Lines<'a> {
    run: &'a Run,
    names: HashMap<&'a str, &'a str>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(run: &'a Run) -> Self {
        let mut names = HashMap::new();
        let mut files: Vec<&str> = run
            .who_wrote
            .python_frames
            .iter()
            .map(|it| it.file.as_str())
            .collect();
        files.sort_unstable();
        files.dedup();
        for parts in 1..=3 {
            let mut found: HashMap<&str, u32> = HashMap::new();
            for file in &files {
                *found.entry(last_parts(file, parts)).or_default() += 1;
            }
            files.retain(|file| {
                let name = if parts == 3 {
                    file
                } else {
                    last_parts(file, parts)
                };
                let is_told = parts == 3 || found[name] == 1;
                if is_told {
                    names.insert(*file, name);
                }
                !is_told
            });
        }
        Self { run, names }
    }

    /// Where in its Python code a writer was: the innermost line, and the line that called a
    /// library.
    pub(crate) fn of_writer(&self, writer: &Writer) -> String {
        self.of_stack(writer.python_stack)
    }

    /// The same of a Python stack by its number.
    pub(crate) fn of_stack(&self, stack: Option<u32>) -> String {
        let Some((innermost, caller)) = explained_in(self.run, stack) else {
            return NO_LINE.into();
        };
        let function = shorten(&printable(&innermost.function), MAX_FUNCTION);
        let words = format!("{} in {function}", self.place(innermost));
        match caller {
            Some(caller) => format!("{words}, from {}", self.place(caller)),
            None => words,
        }
    }

    /// A function with its place, as in stacks; nothing in it is cut.
    pub(crate) fn of_frame(&self, frame: &PythonFrame) -> String {
        let (function, file) = (printable(&frame.function), printable(self.name(frame)));
        match frame.line {
            Some(line) => format!("{function} ({file}:{line})"),
            None => format!("{function} ({file})"),
        }
    }

    fn name(&self, frame: &PythonFrame) -> &'a str {
        self.names.get(frame.file.as_str()).copied().unwrap_or("?")
    }

    fn place(&self, frame: &PythonFrame) -> String {
        let file = shorten(&printable(self.name(frame)), MAX_FILE);
        match frame.line {
            Some(line) => format!("{file}:{line}"),
            None => file,
        }
    }
}

/// The writer's innermost frame, and the frame that called it if that explains more.
pub(crate) fn explained<'a>(
    run: &'a Run,
    writer: &Writer,
) -> Option<(&'a PythonFrame, Option<&'a PythonFrame>)> {
    explained_in(run, writer.python_stack)
}

fn explained_in(run: &Run, stack: Option<u32>) -> Option<(&PythonFrame, Option<&PythonFrame>)> {
    let (frames, _) = run.python_in(stack)?;
    let innermost = *frames.first()?;
    let code = Code::of(innermost);
    let caller = frames.into_iter().find(|frame| code.is_explained_by(frame));
    Some((innermost, caller))
}

/// The last components of a path.
pub(crate) fn last_parts(path: &str, parts: usize) -> &str {
    path.rmatch_indices('/')
        .nth(parts - 1)
        .map_or(path, |(at, _)| &path[at + 1..])
}

/// Whose code it is, according to its path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    /// The interpreter's standard library.
    Standard,
    /// An installed package: a library, or the service itself.
    Installed,
    /// Anything else.
    Own,
}

impl Code {
    fn of(frame: &PythonFrame) -> Self {
        let file = frame.file.as_str();
        if file.contains("/site-packages/") || file.contains("/dist-packages/") {
            Self::Installed
        } else if file.contains("/lib/python3") || file.starts_with("<frozen ") {
            Self::Standard
        } else {
            Self::Own
        }
    }

    /// Whether a caller explains more than a line of this code. A caller that only launches the
    /// program explains nothing.
    fn is_explained_by(self, caller: &PythonFrame) -> bool {
        let launches = caller.function == "<module>" && caller.file.contains("/bin/");
        match (self, Self::of(caller)) {
            (Self::Standard, Self::Installed | Self::Own) | (Self::Installed, Self::Own) => {
                !launches
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str) -> PythonFrame {
        PythonFrame {
            function: "f".into(),
            file: file.into(),
            line: None,
        }
    }

    #[test]
    fn whose_code_it_is_is_told_by_its_path() {
        let of = |file: &str| Code::of(&frame(file));
        assert!(of("/usr/lib/python3.11/json/encoder.py") == Code::Standard);
        assert!(of("/srv/venv/lib/python3.12/site-packages/tornado/web.py") == Code::Installed);
        assert!(of("<frozen importlib._bootstrap>") == Code::Standard);
        assert!(of("/srv/app/handlers.py") == Code::Own && of("<string>") == Code::Own);
    }

    #[test]
    fn what_launches_is_no_explanation() {
        let mut launcher = frame("/srv/venv/bin/gunicorn");
        assert!(Code::Installed.is_explained_by(&launcher));
        launcher.function = "<module>".into();
        assert!(!Code::Installed.is_explained_by(&launcher));
        let app = frame("/srv/venv/lib/python3.12/site-packages/shop.py");
        assert!(Code::Standard.is_explained_by(&app) && !Code::Own.is_explained_by(&app));
    }

    #[test]
    fn the_last_parts_of_a_path_are_taken() {
        assert_eq!(last_parts("/srv/a/views.py", 1), "views.py");
        assert_eq!(last_parts("/srv/a/views.py", 2), "a/views.py");
        assert_eq!(last_parts("views.py", 2), "views.py");
    }
}
