//! The kernel's errors in plain words.

use std::{error::Error, io, path::Path};

use nix::libc;

use crate::{
    foreign::printable,
    memory::{Confinement, confinement},
};

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

/// Lines that end a verifier's log and say nothing of why it refused.
const STATISTICS: [&str; 3] = ["processed ", "verification time", "stack depth"];
/// Longer reasons are cut, letters.
const MOST_REASON: usize = 200;

/// Why the verifier refused a program: the last line of its log, which may have megabytes. None if it said nothing.
pub(super) fn end_of_verification(log: &str) -> Option<String> {
    let is_reason =
        |line: &&str| !line.trim().is_empty() && !STATISTICS.iter().any(|it| line.starts_with(it));
    let reason = log.lines().rev().find(is_reason)?;
    let reason: String = reason.trim().chars().take(MOST_REASON).collect();
    Some(format!("its verifier says: {}", printable(&reason)))
}

/// The kernel's own "not supported", which has no name in user space (include/linux/errno.h).
const ENOTSUPP: i32 = 524;

fn meaning_of_code(code: i32) -> Option<String> {
    if matches!(code, libc::EPERM | libc::EACCES) {
        return Some(why_forbidden(confinement(Path::new("/proc")).as_ref()));
    }
    meaning_of_other(code).map(str::to_owned)
}

/// What may forbid it. The name of what confines this program is worth more than that something may.
fn why_forbidden(confinement: Option<&Confinement>) -> String {
    match confinement {
        Some(by) => format!(
            "{by} forbids it (the kernel's log has what was denied), or capabilities are missing, or a seccomp filter \
             or a hardened kernel forbids it"
        ),
        None => "capabilities are missing, or a seccomp filter, a security module or a hardened kernel forbids it"
            .to_owned(),
    }
}

fn meaning_of_other(code: i32) -> Option<&'static str> {
    Some(match code {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_confines_this_program_is_named_where_something_is_forbidden() {
        let profile = Confinement::AppArmor("docker-default".to_owned());
        assert!(
            why_forbidden(Some(&profile))
                .starts_with("the AppArmor profile docker-default forbids it")
        );
        assert!(why_forbidden(None).starts_with("capabilities are missing"));
    }

    #[test]
    fn the_end_of_a_verifiers_log_says_why_it_refused() {
        let log = "0: (bf) r6 = r1\n12: (79) r1 = *(u64 *)(r10 -96)\ninvalid read from stack off -96+0 size 8\n\
                   verification time 24 usec\nstack depth 248+32\nprocessed 3 insns (limit 1000000)\n\n";
        let why = "its verifier says: invalid read from stack off -96+0 size 8";
        assert_eq!(end_of_verification(log).as_deref(), Some(why));
        assert_eq!(end_of_verification("\n \n"), None);
        let cut = end_of_verification(&"x".repeat(1 << 20)).unwrap();
        assert!(cut.len() < 300, "{cut}");
    }
}
