//! What a process still shares with its donor, the process that it inherited its memory from: compares
//! the frames of their pages (Documentation/admin-guide/mm/pagemap.rst).
//!
//! A page that both have in the same frame is shared. A page that both have in different frames was
//! copied by one of them, or both got a new page at the same address: where the donor has grown since the
//! fork, **unshared is at most what it says**. The processes run meanwhile: their entries for 8 MiB are
//! read within about a millisecond of each other.
//!
//! The kernel shows frames only if the file was opened with `CAP_SYS_ADMIN`. Without it, it shows for each page
//! whether only one process has it mapped (Linux 4.2). Then a page that the donor replaced by a new copy counts
//! as shared if several processes still have the old one, and the zero page counts as a page.

mod family;
mod figures;
pub(super) mod sample;
mod spans;

use std::{ops::Range, path::Path};

use crate::run::PageBalance;

use family::Family;
pub use figures::FamilyBalance;
use sample::{Estimate, sampled_units};
pub use spans::balance_spans;
use spans::joined_spans;

/// Most processes whose files are open at one time.
const OPEN_AT_A_TIME: usize = 256;
/// Fewest units in a sample. With this many, 19 of 20 samples were within 4 % of the true unshared pages.
pub const LEAST_UNITS: u64 = 579;

/// How much is read for a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceBudget {
    /// Pages of a process that are all looked at; of more, a sample is. Reading takes some 28 ms a GiB
    /// of each process.
    pub pages_each: u64,
    /// The same of all processes together.
    pub pages_in_all: u64,
    /// Units of 64 KiB in a sample, 5 us each and process; at least [`LEAST_UNITS`] are taken.
    pub units: u64,
    /// Which sample is drawn.
    pub seed: u64,
}

impl Default for BalanceBudget {
    /// 1 GiB of small pages each and 16 GiB in all; then 128 MiB each.
    fn default() -> Self {
        Self {
            pages_each: 262_144,
            pages_in_all: 16 * 262_144,
            units: 2048,
            seed: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

/// Compares processes with the one that they inherited from, over some addresses.
#[must_use]
pub fn read_balance(
    root: &Path,
    donor: u32,
    inheritors: &[u32],
    spans: &[Range<u64>],
    page_bytes: u64,
    budget: BalanceBudget,
) -> FamilyBalance {
    let spans = joined_spans(spans.to_vec());
    let mut found = FamilyBalance::default();
    let (mut donors, mut others) = (0, Some((0, 0)));
    let mut groups: Vec<&[u32]> = inheritors.chunks(OPEN_AT_A_TIME).collect();
    if groups.is_empty() {
        // The donor has memory all the same.
        groups.push(&[]);
    }
    for some in groups {
        let Some(mut family) = Family::open(root, donor, some, page_bytes) else {
            return all_unknown(inheritors);
        };
        let spans = family.without_holes(&spans, budget.pages_each);
        let Some(estimate) = look_at(&mut family, &spans, page_bytes, budget, inheritors.len())
        else {
            return all_unknown(inheritors);
        };
        let balances = (0..some.len()).map(|at| family.balance(at, &estimate));
        found.inheritors.extend(balances);
        let [held, apart, extra] = estimate.of_family();
        donors = held;
        others = others
            .filter(|_| !family.is_coarse)
            .map(|(sum, extras)| (sum + apart, extras + extra));
        found.error_pages += estimate.error_of_family();
    }
    found.distinct_pages = others.map(|(apart, _)| donors + apart);
    found.extra_pages = others.map(|(_, extra)| extra);
    found
}

fn all_unknown(inheritors: &[u32]) -> FamilyBalance {
    FamilyBalance {
        inheritors: vec![PageBalance::default(); inheritors.len()],
        ..FamilyBalance::default()
    }
}

/// Looks at every page, or at a sample of them; none if the donor has ended.
fn look_at(
    family: &mut Family,
    spans: &[Range<u64>],
    page_bytes: u64,
    budget: BalanceBudget,
    processes: usize,
) -> Option<Estimate> {
    let bytes = spans.iter().map(|span| span.end - span.start);
    let pages = bytes.fold(0, u64::saturating_add) / page_bytes;
    let in_all = pages.saturating_mul(processes as u64 + 1);
    let mut estimate = Estimate::new(family.figures());
    if pages <= budget.pages_each && in_all <= budget.pages_in_all {
        for span in spans {
            family.look_at_span(span.clone(), &mut estimate)?;
        }
        return Some(estimate);
    }
    let units = sampled_units(
        spans,
        page_bytes,
        budget.units.max(LEAST_UNITS),
        budget.seed,
    );
    estimate.units = units.all;
    for (unit, stands_for) in units.drawn {
        family.look_at_unit(unit, stands_for, &mut estimate)?;
    }
    Some(estimate)
}

#[cfg(test)]
mod tests;
