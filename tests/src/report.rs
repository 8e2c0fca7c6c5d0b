//! The JSON report, read as a script would.

use std::collections::BTreeMap;

use serde_json::Value;

/// A report in the schema `cowtrace.report/1`.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

/// Counts of a process in some memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pages copied.
    pub copied: u64,
    /// Write faults that copied nothing.
    pub reused: u64,
}

impl Report {
    /// Reads a report and checks what holds for every report.
    ///
    /// # Panics
    /// If it is not a report, or its sums disagree.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let report =
            Self(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}")));
        assert_eq!(report.0["schema"], "cowtrace.report/1");
        report.check_sums();
        report
    }

    /// All ways to add up the counts give the totals.
    fn check_sums(&self) {
        let totals = &self.0["totals"];
        let sum = |list: &Value, key: &str| -> u64 {
            items(list).iter().map(|item| number(item, key)).sum()
        };
        let ranges = &self.0["histogram"]["ranges"];
        for key in ["copied_pages", "reused_faults"] {
            assert_eq!(
                number(totals, key),
                sum(&self.0["processes"], key),
                "processes, {key}"
            );
            assert_eq!(number(totals, key), sum(ranges, key), "ranges, {key}");
        }
        let sources: u64 = totals["by_source"]
            .as_object()
            .expect("sources")
            .values()
            .filter_map(Value::as_u64)
            .sum();
        assert_eq!(number(totals, "copied_pages"), sources);
        let outside: u64 = items(ranges)
            .iter()
            .filter(|range| range["region_id"].is_null())
            .map(|range| number(range, "copied_pages"))
            .sum();
        assert_eq!(
            number(totals, "copied_pages"),
            sum(&self.0["regions"], "copied_pages") + outside,
            "regions"
        );
    }

    /// Counts by pid in the addresses from `start` to `end`.
    #[must_use]
    pub fn counts_in(&self, start: u64, end: u64) -> BTreeMap<u32, Counts> {
        let mut counts: BTreeMap<u32, Counts> = BTreeMap::new();
        for range in self.ranges_in(start, end) {
            let sum = counts.entry(self.pid_of(range)).or_default();
            sum.copied += number(range, "copied_pages");
            sum.reused += number(range, "reused_faults");
        }
        counts
    }

    /// The histogram's rows from `start` to `end`.
    pub fn ranges_in(&self, start: u64, end: u64) -> impl Iterator<Item = &Value> {
        items(&self.0["histogram"]["ranges"])
            .iter()
            .filter(move |range| address(&range["start"]).is_some_and(|at| start <= at && at < end))
    }

    /// The pid of the process in a histogram row.
    #[must_use]
    pub fn pid_of(&self, range: &Value) -> u32 {
        let process = self.process(number(range, "process_id"));
        u32::try_from(number(process, "pid")).expect("a pid")
    }

    /// A process by its serial number.
    ///
    /// # Panics
    /// If there is no such process.
    #[must_use]
    pub fn process(&self, id: u64) -> &Value {
        self.processes()
            .iter()
            .find(|process| process["id"] == id)
            .unwrap_or_else(|| panic!("no process {id}"))
    }

    /// All processes.
    #[must_use]
    pub fn processes(&self) -> &[Value] {
        items(&self.0["processes"])
    }

    /// Major and minor version of the kernel.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn kernel(&self) -> (u32, u32) {
        let release = self.0["host"]["kernel"].as_str().expect("a release");
        let mut numbers = release.split(['.', '-']).map(str::parse);
        let mut next = || numbers.next().expect("a number").expect("a number");
        (next(), next())
    }

    /// The images of a pid, in chronological order.
    #[must_use]
    pub fn images(&self, pid: u32) -> Vec<&Value> {
        self.processes()
            .iter()
            .filter(|process| process["pid"] == pid)
            .collect()
    }

    /// The region of a histogram row, if it has one.
    #[must_use]
    pub fn region(&self, range: &Value) -> Option<&Value> {
        let id = range["region_id"].as_u64()?;
        items(&self.0["regions"])
            .iter()
            .find(|region| region["id"] == id)
    }

    /// Pages copied, by source.
    #[must_use]
    pub fn by_source(&self, source: &str) -> u64 {
        number(&self.0["totals"]["by_source"], source)
    }

    /// Pages copied by matching writers.
    ///
    /// # Panics
    /// If the report has no writers.
    pub fn written(&self, fits: impl Fn(&Value) -> bool) -> u64 {
        let writers = self.0["writers"].as_array().expect("writers");
        let fitting = writers.iter().filter(|writer| fits(writer));
        fitting.map(|writer| number(writer, "copied_pages")).sum()
    }

    /// The writers with most copies, one per line.
    #[must_use]
    pub fn top_writers(&self) -> String {
        let line = |writer: &Value| {
            let innermost = &writer["python"][0];
            format!(
                "\n  {} pages: {} {} by {} ({}), line {} of {}",
                writer["copied_pages"],
                writer["kind"],
                writer["type"],
                writer["function"],
                writer["module"],
                innermost["line"],
                innermost["function"],
            )
        };
        items(&self.0["writers"])
            .iter()
            .take(12)
            .map(line)
            .collect()
    }

    /// The causes of loss that may concern the traced processes. Skipped interrupts do not: they happen
    /// anywhere on the machine.
    #[must_use]
    pub fn losses(&self) -> BTreeMap<String, u64> {
        let causes = self.0["loss"].as_object().expect("losses");
        causes
            .iter()
            .filter_map(|(cause, count)| Some((cause.clone(), count.as_u64()?)))
            .filter(|(cause, count)| *count > 0 && cause != "interrupts_skipped")
            .collect()
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A number in an object.
///
/// # Panics
/// If it has none under this name.
#[must_use]
pub fn number(object: &Value, key: &str) -> u64 {
    object[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {key} in {object}"))
}

/// Parses an address such as `0x7f00`.
#[must_use]
pub fn address(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}
