//! Who wrote, as stacks: the data of flame graphs and profiles.

use super::{
    lines::Lines,
    unnamed::with_place,
    writers::{function, written},
};
use crate::{
    foreign::printable,
    run::{NativeFrame, PythonFrame, Run, StackEnd, Writer},
};

/// The stack of copies with an unknown writer.
const UNKNOWN: &str = "(unknown writer)";
/// A placeholder for calls that are unknown or were not kept.
const MISSING: &str = "(unknown callers)";

/// A call.
pub(crate) enum Call<'a> {
    /// A call of a Python function.
    Python(&'a PythonFrame),
    /// A call of a native function, or of the kernel.
    Native {
        /// The function with its module, escaped.
        name: String,
        /// File name of its program or library.
        module: Option<&'a str>,
    },
}

/// Copies that were made from one stack.
pub(crate) struct NamedStack<'a> {
    /// The calls, outermost first. At least one.
    pub(crate) calls: Vec<Call<'a>>,
    /// Who wrote; none if unknown.
    pub(crate) writer: Option<&'a Writer>,
    /// What was written, escaped; none if the writer is unknown.
    pub(crate) written: Option<String>,
    /// Number of pages.
    pub(crate) pages: u64,
}

/// The stacks of a run. Their pages add up to all copies: those with an unknown writer have a stack
/// of their own.
pub(crate) fn stacks(run: &Run) -> Vec<NamedStack<'_>> {
    let mut stacks: Vec<NamedStack<'_>> = run
        .who_wrote
        .writers
        .iter()
        .map(|it| stack(run, it))
        .collect();
    let known: u64 = stacks.iter().map(|stack| stack.pages).sum();
    let unknown = run.copied().total().saturating_sub(known);
    if unknown > 0 {
        stacks.push(NamedStack {
            calls: vec![Call::Native {
                name: UNKNOWN.into(),
                module: None,
            }],
            writer: None,
            written: None,
            pages: unknown,
        });
    }
    stacks
}

fn stack<'a>(run: &'a Run, writer: &'a Writer) -> NamedStack<'a> {
    let (python, end) = run.python_of(writer).unwrap_or_default();
    let mut calls: Vec<Call<'_>> = missing(end).collect();
    let is_python = !python.is_empty();
    calls.extend(python.into_iter().rev().map(Call::Python));
    calls.extend(native(run, writer, is_python));
    NamedStack {
        calls,
        writer: Some(writer),
        written: Some(printable(&written(run, writer))),
        pages: writer.copied_pages,
    }
}

/// The native calls, outermost first: all that led to the write with `--stacks`, otherwise only the
/// function that wrote. In an interpreter, only the calls after its loop, because the Python calls
/// stand for the others.
fn native<'a>(run: &'a Run, writer: &'a Writer, is_python: bool) -> Vec<Call<'a>> {
    let itself = || {
        vec![Call::Native {
            name: printable(&function(run, writer)),
            module: writer.module.as_deref(),
        }]
    };
    let Some((mut frames, end)) = run.native_of(writer) else {
        return itself();
    };
    if is_python {
        let Some(place) = frames.iter().position(|frame| is_loop(frame)) else {
            return itself();
        };
        frames.truncate(place + 1);
    }
    let outer = missing(if is_python { StackEnd::Outermost } else { end });
    outer
        .chain(frames.into_iter().rev().map(|it| native_call(run, it)))
        .collect()
}

/// A placeholder for calls that are missing at the outer end of a stack.
fn missing<'a>(end: StackEnd) -> impl Iterator<Item = Call<'a>> {
    let is_missing = end != StackEnd::Outermost;
    is_missing
        .then(|| Call::Native {
            name: MISSING.into(),
            module: None,
        })
        .into_iter()
}

fn native_call<'a>(run: &Run, frame: &'a NativeFrame) -> Call<'a> {
    let module = frame.module.as_deref();
    let name = match (&frame.function, module) {
        (Some(function), _) if frame.inlined => format!("{function} (inlined)"),
        (Some(function), Some(module)) if !function.starts_with(module) => {
            format!("{function} ({module})")
        }
        (Some(function), _) => with_place(run, function),
        (None, _) => MISSING.into(),
    };
    Call::Native {
        name: printable(&name),
        module,
    }
}

/// Whether it is CPython's bytecode loop, or one of the parts into which compilers split it.
fn is_loop(frame: &NativeFrame) -> bool {
    let name = frame.function.as_deref().unwrap_or_default();
    name.starts_with("_PyEval_EvalFrameDefault") && !frame.inlined
}

impl NamedStack<'_> {
    /// The names of the calls, outermost first, then in brackets what was written. No name ends
    /// with a number, because tools for folded stacks would take that for the count.
    pub(crate) fn names(&self, lines: &Lines<'_>) -> Vec<String> {
        let calls = self.calls.iter().map(|call| match call {
            Call::Python(frame) => lines.of_frame(frame),
            Call::Native { name, .. } => name.clone(),
        });
        let written = self.written.as_ref().map(|written| format!("[{written}]"));
        calls.chain(written).collect()
    }
}
