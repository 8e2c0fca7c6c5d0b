//! Who wrote, and what was written.

use super::{
    other_memory,
    unnamed::{instead_of_name, is_unnamed, with_place},
};
use crate::run::{Grower, Run, Store, WriteKind, Writer};

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
        WriteKind::Other => {
            let how = other_memory::by_function(writer).or_else(|| writer.store.and_then(stored));
            let is_count = matches!(writer.store, Some(Store::Increment | Store::Decrement));
            match (writer.type_name.as_deref(), how) {
                // Perl, PHP and R count as CPython does.
                (Some(name), _) if is_count => format!("reference counts of {name}"),
                (Some(name), Some(how)) => format!("{name}: {how}"),
                (Some(name), None) => name.into(),
                (None, how) => how.unwrap_or(OTHER_MEMORY).into(),
            }
        }
        WriteKind::Kernel => match (run.system_call_of(writer), writer.system_call) {
            (Some(name), _) => format!("by the kernel, in {name}(2)"),
            (None, Some(number)) => format!("by the kernel, in system call {number}"),
            (None, None) => "by the kernel".into(),
        },
    }
}

/// What a write did, as what was written.
const fn stored(store: Store) -> Option<&'static str> {
    match store {
        Store::Increment => Some("counters, +1"),
        Store::Decrement => Some("counters, -1"),
        Store::Bits => Some("single bits"),
        Store::Same => Some("the value that was there"),
        Store::Zero => Some("zeros"),
        Store::Pointer => Some("addresses"),
        Store::Block => Some("blocks of bytes"),
        Store::Push => Some("the stack"),
        Store::Age => Some("ages, by the garbage collector"),
        Store::Swept => Some("swept by the garbage collector"),
        Store::Marks => Some("marks of the garbage collector"),
        Store::Object => Some("new objects"),
        Store::Coderange => Some("coderange, noted by reading"),
        Store::Iteration => Some("level of iteration"),
        Store::Identity => Some("object_id"),
        Store::Frozen => Some("frozen"),
        Store::Content => Some("content"),
        Store::Cache => Some("caches of calls"),
        Store::Value => None,
    }
}

/// The function that wrote, with its module.
pub(crate) fn function(run: &Run, writer: &Writer) -> String {
    let names = (writer.function.as_deref(), writer.module.as_deref());
    function_in_module(run, names, writer.kind == WriteKind::Kernel)
}

/// The same for an answer: a function without a name is called by its file, or by what it probably is.
pub(crate) fn cause_of_write(run: &Run, writer: &Writer) -> String {
    let names = (writer.function.as_deref(), writer.module.as_deref());
    cause(run, names).unwrap_or_else(|| function(run, writer))
}

/// What touched new memory: the function with its module, and the system call that it made.
pub(crate) fn function_of_grower(run: &Run, grower: &Grower) -> String {
    let names = (grower.function.as_deref(), grower.module.as_deref());
    let name = function_in_module(run, names, grower.system_call.is_some());
    with_call_of_grower(run, grower, name)
}

/// The same for an answer, as [`cause_of_write`].
pub(crate) fn cause_of_growth(run: &Run, grower: &Grower) -> String {
    let names = (grower.function.as_deref(), grower.module.as_deref());
    match cause(run, names) {
        Some(name) => with_call_of_grower(run, grower, name),
        None => function_of_grower(run, grower),
    }
}

fn with_call_of_grower(run: &Run, grower: &Grower, name: String) -> String {
    match (run.name_of_call(grower.system_call), grower.system_call) {
        (Some(call), _) => format!("{name}, in {call}(2)"),
        (None, Some(number)) => format!("{name}, in system call {number}"),
        (None, None) => name,
    }
}

/// What stands for a function without a name; `None` if it has one.
fn cause(run: &Run, (function, module): (Option<&str>, Option<&str>)) -> Option<String> {
    let (function, module) = function.zip(module)?;
    is_unnamed(function, module).then(|| instead_of_name(run, function, module))
}

fn function_in_module(
    run: &Run,
    (function, module): (Option<&str>, Option<&str>),
    is_kernel: bool,
) -> String {
    let module = module.unwrap_or("unknown module");
    match function {
        Some(function) if function.starts_with(module) => with_place(run, function),
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
        WriteKind::Other => "memory that the program or its interpreter writes",
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
