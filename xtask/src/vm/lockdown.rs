//! Kernels that are locked down (`kernel_lockdown(7)`): what cowtrace has to do there.

use clap::ValueEnum;

use super::verdict::Verdict;

/// What cowtrace says where it cannot trace for this reason.
const REFUSAL: &str = "the kernel is locked down (confidentiality)";

/// What the kernel forbids even to root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lockdown {
    /// Changing the running kernel: cowtrace works
    Integrity,
    /// Reading its memory, too: cowtrace cannot work, and says why
    Confidentiality,
}

impl Lockdown {
    /// The kernel's name for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        }
    }

    /// The option of the kernel's command line.
    pub(crate) fn argument(self) -> String {
        format!("lockdown={}", self.name())
    }

    /// What is wrong on a kernel that was to be locked down as far as this.
    pub(crate) fn faults(self, verdict: &Verdict) -> Vec<String> {
        let said = verdict.lockdown.as_deref().unwrap_or("not at all");
        if said != self.name() {
            return vec![format!("the kernel is locked down: {said}")];
        }
        match self {
            Self::Integrity => Vec::new(),
            Self::Confidentiality => verdict.without_refusal(REFUSAL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(lines: &[&str]) -> Verdict {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("@cowtrace {line}"))
            .collect();
        Verdict::read(&lines)
    }

    #[test]
    fn a_kernel_must_say_that_it_is_locked_down() {
        let open = verdict(&[r#"{"kernel":"6.12.1","lockdown":"none"}"#]);
        assert_eq!(Lockdown::Integrity.faults(&open).len(), 1);
        let unknown = verdict(&[r#"{"kernel":"6.12.1","lockdown":null}"#]);
        assert_eq!(Lockdown::Confidentiality.faults(&unknown).len(), 1);
        let locked = verdict(&[r#"{"kernel":"6.12.1","lockdown":"integrity"}"#]);
        assert!(Lockdown::Integrity.faults(&locked).is_empty());
    }

    #[test]
    fn where_nobody_may_read_the_kernel_each_backend_says_why_it_cannot_trace() {
        let kernel = r#"{"kernel":"6.12.1","lockdown":"confidentiality"}"#;
        let refused = format!(r#"{{"backend":"kprobe","unavailable":"error: {REFUSAL}: no"}}"#);
        let faults = |line: &str| Lockdown::Confidentiality.faults(&verdict(&[kernel, line]));
        assert!(faults(&refused).is_empty());
        let unclear = r#"{"backend":"kprobe","unavailable":"error: EPERM"}"#;
        assert_eq!(faults(unclear).len(), 1);
        assert_eq!(
            faults(r#"{"backend":"kprobe","case":"shared"}"#),
            ["kprobe traced"]
        );
    }
}
