//! Checks the sample of who touched new memory.

use serde_json::Value;

use super::Observation;
use crate::{cases::Case, report::number};

/// Pages of which one is drawn.
const BLOCK: u64 = 64;
/// A huge page, which always is in the sample.
const HUGE: u64 = 512;

impl Case {
    /// The sample of the first writer's new memory: as many as must be drawn, and by whom. Pages that follow
    /// each other have one sample a block, and at most one more in the parts of blocks at both ends; what
    /// else the process touches of that kind, some pages, has at most one.
    pub(super) fn wrong_growers(&self, seen: &Observation) -> Option<String> {
        let (kind, pages) = self.touched?;
        let (writer, _) = seen.writers.first()?;
        let kind = self.kind_told(kind, seen);
        let all = seen.report.0["growers"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let of_kind = all
            .iter()
            .filter(|it| it["pid"] == writer.pid && it["kind"] == kind);
        let of_kind: Vec<&Value> = of_kind.collect();
        let estimate = |is_it: &dyn Fn(&Value) -> bool| -> u64 {
            let those = of_kind.iter().filter(|it| is_it(it));
            those.map(|it| number(it, "touched_pages_estimate")).sum()
        };
        let least = if pages.is_multiple_of(HUGE) {
            pages
        } else {
            (pages / BLOCK).saturating_sub(1) * BLOCK
        };
        let most = if pages.is_multiple_of(HUGE) {
            pages + BLOCK
        } else {
            (pages / BLOCK + 3) * BLOCK
        };
        let (told, by_it) = (estimate(&|_| true), estimate(&|it| self.is_grower(it)));
        let is_right = (least..=most).contains(&told) && by_it >= least;
        (!is_right).then(|| {
            let growers = &seen.report.0["growers"];
            format!("{told} pages sampled, {by_it} as expected, not {least} to {most}: {growers}")
        })
    }

    /// Whether the case's own code touched the memory, in the case's own way.
    fn is_grower(&self, grower: &Value) -> bool {
        let call = &grower["system_call_name"];
        match self.name {
            "touch-populate" => call == "mmap",
            "touch-read-into" => call == "read",
            _ => call.is_null() && grower["module"] == "workload",
        }
    }
}
