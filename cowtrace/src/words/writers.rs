//! Who wrote, and what was written.

use super::other_memory;
use crate::run::{Grower, Run, WriteKind, Writer};

/// Name for what was written if neither an object nor a function suggests it.
pub(crate) const OTHER_MEMORY: &str = "other memory";

/// What was written.
pub(crate) fn written(run: &Run, writer: &Writer) -> String {
    let name = match writer.type_name.as_deref() {
        Some("") => "a type without a name",
        Some(name) => name,
        None => "an unknown type",
    };
    match writer.kind {
        WriteKind::Refcount => format!("reference counts of {name}"),
        WriteKind::Gc => format!("gc headers of {name}"),
        WriteKind::Other => other_memory::by_function(writer)
            .unwrap_or(OTHER_MEMORY)
            .into(),
        WriteKind::Kernel => match (run.system_call_of(writer), writer.system_call) {
            (Some(name), _) => format!("by the kernel, in {name}(2)"),
            (None, Some(number)) => format!("by the kernel, in system call {number}"),
            (None, None) => "by the kernel".into(),
        },
    }
}

/// The function that wrote, with its module.
pub(crate) fn function(writer: &Writer) -> String {
    let is_kernel = writer.kind == WriteKind::Kernel;
    function_in_module(
        writer.function.as_deref(),
        writer.module.as_deref(),
        is_kernel,
    )
}

/// What touched new memory: the function with its module, and the system call that it made.
pub(crate) fn function_of_grower(run: &Run, grower: &Grower) -> String {
    let (function, module) = (grower.function.as_deref(), grower.module.as_deref());
    let name = function_in_module(function, module, grower.system_call.is_some());
    match (run.name_of_call(grower.system_call), grower.system_call) {
        (Some(call), _) => format!("{name}, in {call}(2)"),
        (None, Some(number)) => format!("{name}, in system call {number}"),
        (None, None) => name,
    }
}

fn function_in_module(function: Option<&str>, module: Option<&str>, is_kernel: bool) -> String {
    let module = module.unwrap_or("unknown module");
    match function {
        Some(function) if function.starts_with(module) => function.into(),
        Some(function) => format!("{function} ({module})"),
        None if is_kernel => "(the kernel)".into(),
        None => format!("({module})"),
    }
}

/// A kind of write, in words.
pub(crate) const fn kind_of_write(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Refcount => "reference counts, which reading an object writes",
        WriteKind::Gc => "object headers, which the garbage collector writes",
        WriteKind::Other => "memory that the program itself writes",
        WriteKind::Kernel => "memory that system calls fill",
    }
}

/// The same in few words.
pub(crate) const fn short_kind_of_write(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Refcount => "reading (reference counts)",
        WriteKind::Gc => "collecting (gc headers)",
        WriteKind::Other => "other memory",
        WriteKind::Kernel => "system calls",
    }
}
