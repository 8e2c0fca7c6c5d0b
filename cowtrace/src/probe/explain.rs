//! The kernel's errors in plain words.

use std::{error::Error, io};

use nix::libc;

/// An error with its most likely meaning here.
pub(super) fn explain_error(error: &(dyn Error + 'static)) -> String {
    let mut chain = vec![error];
    let mut next = error.source();
    while let Some(source) = next {
        chain.push(source);
        next = source.source();
    }
    let code = chain
        .iter()
        .find_map(|error| error.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    let said = chain.iter().map(ToString::to_string).collect::<Vec<_>>();
    let last = said.last().cloned().unwrap_or_default();
    match code.and_then(meaning_of_code) {
        Some(meaning) => format!("{last}: {meaning}"),
        None => said.join(": "),
    }
}

/// The kernel's own "not supported", which has no name in user space (include/linux/errno.h).
const ENOTSUPP: i32 = 524;

fn meaning_of_code(code: i32) -> Option<&'static str> {
    Some(match code {
        libc::EPERM | libc::EACCES => {
            "capabilities are missing, or a seccomp filter, a security module or a hardened kernel forbids it"
        }
        libc::ENOENT => "this kernel has no such hook",
        libc::ENOTSUP | ENOTSUPP => "this kernel does not support it on this architecture",
        libc::ENOMEM => "no memory for the tables, or the memory lock limit is too low (ulimit -l)",
        libc::EMFILE => "this process has too many open files (ulimit -n)",
        libc::ENFILE => "this machine has too many open files (fs.file-max)",
        libc::EINVAL => "this kernel is too old for it, was built without it, or is locked down",
        libc::ENOSYS => {
            "this kernel was built without BPF or perf events, or a seccomp filter, as in containers, hides them"
        }
        _ => return None,
    })
}
