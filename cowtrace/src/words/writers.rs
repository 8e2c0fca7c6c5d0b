//! Who wrote, and what was written.

use super::other_memory;
use crate::run::{Run, WriteKind, Writer};

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
    let module = writer.module.as_deref().unwrap_or("unknown module");
    match &writer.function {
        Some(function) if function.starts_with(module) => function.clone(),
        Some(function) => format!("{function} ({module})"),
        None if writer.kind == WriteKind::Kernel => "(the kernel)".into(),
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
