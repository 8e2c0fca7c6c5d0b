//! The competitor: a bpftrace script that pairs a write fault with the next allocation of the same
//! thread, and counts by process and range of 64 KiB.

use std::process::Command;

/// bpftrace attaches from the last probe to the first, so the first one prints the message when all
/// are attached. The allocation's mask is `GFP_HIGHUSER_MOVABLE` of the kernel's
/// `include/linux/gfp_types.h`.
const SCRIPT: &str = r#"
interval:ms:50 /@said == 0/ { printf("ready\n"); @said = 1; }
tracepoint:exceptions:page_fault_user /comm == "workload"/ {
    if ((args->error_code & 3) == 3) { @pending[tid] = args->address; }
    else { delete(@pending[tid]); }
}
tracepoint:kmem:mm_page_alloc /@pending[tid]/ {
    if (args->order == 0 && (args->gfp_flags & 0x100cca) == 0x100cca) {
        @copies[pid, @pending[tid] >> 16] = count();
        delete(@pending[tid]);
    }
}
END { clear(@pending); clear(@said); }
"#;

/// Mounts tracefs only for bpftrace: if it was not mounted before, it is gone afterwards.
const IN_OWN_MOUNTS: &str = r#"
[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing || exit 1
exec bpftrace -q -e "$1"
"#;

/// Room for the ranges of every sample of a round; bpftrace silently drops further ones.
const MOST_RANGES: &str = "262144";

/// bpftrace with the script; prints `ready` when attached, its counts when interrupted.
pub(crate) fn command() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", IN_OWN_MOUNTS, "sh", SCRIPT])
        .env("BPFTRACE_MAP_KEYS_MAX", MOST_RANGES);
    command
}

/// The copies in bpftrace's final output, from lines like `@copies[4242, 524288]: 16`.
pub(crate) fn copies(output: &str) -> u64 {
    output
        .lines()
        .filter(|line| line.starts_with("@copies["))
        .filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_summed_over_processes_and_ranges() {
        let output = "ready\n\n\n@copies[7, 8]: 16\n@copies[7, 9]: 4\n@copies[8, 8]: 1\n@said: 1\n";
        assert_eq!(copies(output), 21);
        assert_eq!(copies("ready\n"), 0);
    }
}
