//! What a machine forbids, beside what its kernel cannot do.

use clap::Args;

use super::{
    confinement::Confinement,
    lockdown::Lockdown,
    verdict::{CaseResult, Verdict},
};

/// What is forbidden; then it is checked what cowtrace says.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Conditions {
    /// How far the kernel is locked down
    #[arg(long, value_enum)]
    pub(crate) lockdown: Option<Lockdown>,
    /// What the policy of a security module refuses
    #[arg(long, value_enum, conflicts_with = "lockdown")]
    pub(crate) confined: Option<Confinement>,
}

impl Conditions {
    /// Options of the kernel's command line.
    pub(crate) fn arguments(self) -> Vec<String> {
        let lockdown = self.lockdown.map(Lockdown::argument);
        let confined = self.confined.map(Confinement::arguments);
        lockdown
            .into_iter()
            .chain(confined.into_iter().flatten())
            .collect()
    }

    /// Whether every backend has to be refused.
    pub(crate) fn forbid_all(self) -> bool {
        self.lockdown == Some(Lockdown::Confidentiality)
            || self.confined.is_some_and(|it| !it.allows_bpf())
    }

    /// Whether a case ended as it should. Where memory may not be read, the count is all that can be right.
    pub(crate) fn are_met_by(self, result: &CaseResult) -> bool {
        let hides_memory = self.confined.is_some_and(Confinement::allows_bpf);
        if hides_memory {
            result.counted == result.expected
        } else {
            result.ok
        }
    }

    /// What is wrong where this is forbidden.
    pub(crate) fn faults(self, verdict: &Verdict) -> Vec<String> {
        let of_lockdown = self.lockdown.map(|level| level.faults(verdict));
        let of_confinement = self.confined.map(|policy| policy.faults(verdict));
        of_lockdown
            .into_iter()
            .chain(of_confinement)
            .flatten()
            .collect()
    }
}
