//! Rows of the histogram: each count of a process in the region it belongs to.

use std::collections::{BTreeMap, HashMap};

use cowtrace_common::process::Source;

use super::{
    attribution::{RegionTable, refine_unknown},
    record::Record,
    touches::TouchesByKind,
};
use crate::{
    probe::{RangeCount, Tables, Totals},
    run::{Kind, Loss, Mapping, Row, Sources},
};

/// Rows of exited processes kept in full detail: more than the kernel's table has for one.
const MAX_EXITED_ROWS: usize = 262_144;

/// The histogram's counts of some slots.
pub(in crate::collect) fn counts_by_slot(
    tables: &Tables,
    wanted: impl Fn(u32) -> bool,
) -> HashMap<u32, Vec<RangeCount>> {
    let mut counts: HashMap<u32, Vec<RangeCount>> = HashMap::new();
    for (slot, count) in tables.ranges().filter(|(slot, _)| wanted(*slot)) {
        counts.entry(slot).or_default().push(count);
    }
    counts
}

/// What final rows are added to.
pub(in crate::collect) struct RowSums<'a> {
    pub(in crate::collect) regions: &'a mut RegionTable,
    pub(in crate::collect) loss: &'a mut Loss,
    /// Rows of exited processes.
    pub(in crate::collect) exited_rows: &'a mut usize,
    /// Bytes.
    pub(in crate::collect) range_bytes: u64,
}

impl RowSums<'_> {
    /// Gives a record its final rows, and their copies to the regions. A launcher has none: what it
    /// did is no part of the run.
    pub(in crate::collect) fn settle(&mut self, record: &mut Record, counts: &[RangeCount]) {
        let rows = if record.is_launcher {
            Vec::new()
        } else {
            rows_of_record(record, counts, self.range_bytes, self.loss)
        };
        if !record.is_launcher {
            record.touches = touches_of_record(record, counts);
        }
        for row in &rows {
            if let Some(region) = row.region_id {
                self.regions.count(region, &row.copied);
            }
        }
        record.rows = Some(rows);
    }

    /// Takes in the final counts of a process that has exited, within the bound on its rows.
    pub(in crate::collect) fn close(
        &mut self,
        record: &mut Record,
        totals: Totals,
        counts: &[RangeCount],
    ) {
        record.count(totals);
        self.settle(record, counts);
        let mut rows = record.rows.take().unwrap_or_default();
        if *self.exited_rows + rows.len() > MAX_EXITED_ROWS {
            self.loss.ranges_dropped += rows.len() as u64;
            rows = without_ranges(rows);
        }
        *self.exited_rows += rows.len();
        record.rows = Some(rows);
        record.inherited = None;
        record.own = None;
        record.current = None;
    }
}

/// Gives first touches to the kinds of the mappings that a process has now, else had when it last forked.
pub(in crate::collect) fn touches_of_record(
    record: &Record,
    counts: &[RangeCount],
) -> TouchesByKind {
    TouchesByKind::of(counts, &record.totals, |count| {
        kind_of_touch(record, count.start, count.bytes)
    })
}

/// The kind of the mapping that first touches in a range are in, as far as it is known now.
pub(in crate::collect) fn kind_of_touch(record: &Record, start: u64, bytes: u64) -> Option<Kind> {
    let now = record.current.as_deref().unwrap_or_default();
    let now = kind_touched(now.iter(), start, bytes);
    let before = [&record.own, &record.inherited].into_iter().flatten();
    let mut before = before.map(|layout| kind_touched(layout.mappings(), start, bytes));
    let known = now.or_else(|| before.find_map(|kind| kind));
    known.or_else(|| kind_grown(record, start))
}

/// The kind of memory that a process mapped after its mappings were last read: it is next to what the heap or
/// the stack was, or a new mapping. New memory of a file is of one that was there before. `None` if nothing
/// is known of the process.
fn kind_grown(record: &Record, address: u64) -> Option<Kind> {
    let last = [&record.own, &record.inherited]
        .into_iter()
        .flatten()
        .next();
    let current = record
        .current
        .as_deref()
        .map(|all| neighbours(all.iter(), address));
    let last = last.map(|layout| neighbours(layout.mappings(), address));
    let (below, above) = current.or(last)?;
    let room_below = below.map_or(u64::MAX, |below| address.saturating_sub(below.end));
    let room_above = above.map_or(u64::MAX, |above| above.start.saturating_sub(address));
    Some(match (below, above) {
        (Some(below), _) if below.kind == Kind::Heap && room_below < room_above => Kind::Heap,
        (_, Some(above)) if above.kind == Kind::Stack && room_above < room_below => Kind::Stack,
        _ => Kind::Anon,
    })
}

/// The mappings below and above an address that is in none.
fn neighbours<'a>(
    mappings: impl Iterator<Item = &'a Mapping>,
    address: u64,
) -> (Option<&'a Mapping>, Option<&'a Mapping>) {
    let (mut below, mut above) = (None, None);
    for mapping in mappings {
        if mapping.start > address {
            above = Some(mapping);
            break;
        }
        below = Some(mapping);
    }
    (below, above)
}

/// The kind of memory that first touches in a range are of: what is anonymous goes first, since a range may
/// begin in another mapping. Mappings come in the order of addresses.
fn kind_touched<'a>(
    mappings: impl Iterator<Item = &'a Mapping>,
    start: u64,
    bytes: u64,
) -> Option<Kind> {
    let end = start.saturating_add(bytes);
    let overlaps = mappings
        .skip_while(|mapping| mapping.end <= start)
        .take_while(|mapping| mapping.start < end);
    let kinds: Vec<Kind> = overlaps.map(|mapping| mapping.kind).collect();
    let anonymous = kinds.iter().find(|kind| kind.is_anonymous());
    anonymous.or(kinds.first()).copied()
}

/// Gives each count to its region: first to what the process inherited, then to what it passes on
/// itself, else to nothing. The rows' sums equal the record's totals.
pub(in crate::collect) fn rows_of_record(
    record: &Record,
    counts: &[RangeCount],
    range_bytes: u64,
    loss: &mut Loss,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(counts.len());
    for count in counts
        .iter()
        .filter(|count| count.copied + count.reused > 0)
    {
        let (region_id, mapping) = locate_count(record, count, range_bytes, loss);
        let name = if region_id.is_none() {
            mapping.map(|mapping| mapping.name.clone())
        } else {
            None
        };
        let is_coarse = count.is_coarse(range_bytes);
        if is_coarse {
            loss.ranges_coarse += count.copied;
        }
        for part in parts_of_count(count, mapping, range_bytes) {
            let start = part.start & !(range_bytes - 1);
            rows.push(Row {
                process_id: record.id,
                region_id,
                start: (!is_coarse).then_some(start),
                mapping: name.clone(),
                copied: sources_of_count(&part, mapping),
                reused_faults: part.reused,
            });
        }
    }
    add_up_rows(&mut rows);
    let unranged = &record.totals;
    if unranged.unranged_copied + unranged.unranged_reused > 0 {
        rows.push(Row {
            process_id: record.id,
            region_id: None,
            start: None,
            mapping: None,
            copied: Sources {
                unknown: unranged.unranged_copied,
                ..Sources::default()
            },
            reused_faults: unranged.unranged_reused,
        });
    }
    rows
}

/// Has one row a range and region, in order. In place: a run may have hundreds of thousands.
fn add_up_rows(rows: &mut Vec<Row>) {
    rows.sort_unstable_by(|one, other| {
        let key = |row: &Row| (row.start, row.region_id);
        (key(one).cmp(&key(other))).then_with(|| one.mapping.cmp(&other.mapping))
    });
    rows.dedup_by(|next, sum| {
        let is_same = (next.start, next.region_id) == (sum.start, sum.region_id);
        if is_same {
            sum.copied.add(&next.copied);
            sum.reused_faults += next.reused_faults;
        }
        is_same
    });
}

/// A count of huge pages, which stands in the range where they begin, over all ranges that they
/// cover; any other as it is.
fn parts_of_count(
    count: &RangeCount,
    mapping: Option<&Mapping>,
    range_bytes: u64,
) -> Vec<RangeCount> {
    let huge_page_bytes = mapping.map_or(0, |mapping| mapping.huge_page_bytes);
    let covered = huge_page_bytes / range_bytes;
    if count.source != Source::Hugetlb || covered <= 1 || count.is_coarse(range_bytes) {
        return vec![*count];
    }
    // The mapping was read at another moment than the copies were made: no page may be lost.
    let each = count.copied / covered;
    (0..covered)
        .map(|part| RangeCount {
            start: count.start + part * range_bytes,
            copied: if part == 0 {
                count.copied - each * (covered - 1)
            } else {
                each
            },
            reused: if part == 0 { count.reused } else { 0 },
            ..*count
        })
        .collect()
}

fn locate_count<'a>(
    record: &'a Record,
    count: &RangeCount,
    range_bytes: u64,
    loss: &mut Loss,
) -> (Option<u32>, Option<&'a Mapping>) {
    // Of a coarse range, the first address may be in any mapping.
    let is_coarse = count.is_coarse(range_bytes);
    let current = current_mapping(record, count.start).filter(|_| !is_coarse);
    for layout in [&record.inherited, &record.own].into_iter().flatten() {
        let Some(place) = layout.place(count.start, count.bytes) else {
            continue;
        };
        // The process may have mapped something else there since.
        if current.is_some_and(|now| place.mapping.is_replaced_by(now)) {
            continue;
        }
        if place.is_mixed && !is_coarse {
            loss.unsplit_pages += count.copied;
        }
        return (Some(place.region), Some(place.mapping));
    }
    (None, current)
}

/// The mapping that a process has at an address now, as last read.
fn current_mapping(record: &Record, address: u64) -> Option<&Mapping> {
    // In the order of /proc/PID/maps, which is that of addresses.
    let mappings = record.current.as_ref()?;
    let after = mappings.partition_point(|mapping| mapping.start <= address);
    let before = mappings.get(after.checked_sub(1)?)?;
    before.contains(address).then_some(before)
}

fn sources_of_count(count: &RangeCount, mapping: Option<&Mapping>) -> Sources {
    let pages = count.copied;
    match count.source {
        Source::Unknown => refine_unknown(pages, mapping),
        Source::Anon => Sources {
            anon: pages,
            ..Sources::default()
        },
        Source::File => Sources {
            file: pages,
            ..Sources::default()
        },
        Source::Zero => Sources {
            zero: pages,
            ..Sources::default()
        },
        Source::Ksm => Sources {
            ksm: pages,
            ..Sources::default()
        },
        Source::Hugetlb => Sources {
            hugetlb: pages,
            ..Sources::default()
        },
    }
}

/// One row for each region, if there is no room for the ranges.
fn without_ranges(rows: Vec<Row>) -> Vec<Row> {
    let mut sums: BTreeMap<Option<u32>, Row> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.region_id).or_insert_with(|| Row {
            start: None,
            mapping: None,
            copied: Sources::default(),
            reused_faults: 0,
            ..row.clone()
        });
        sum.copied.add(&row.copied);
        sum.reused_faults += row.reused_faults;
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_spread_over_what_they_cover() {
        let mapping = Mapping {
            start: 0x4000_0000,
            end: 0x4080_0000,
            name: "/anon_hugepage (deleted)".into(),
            kind: Kind::File,
            perms: "rw-p".into(),
            offset: 0,
            resident_pages: 2048,
            anonymous_pages: 0,
            huge_page_bytes: 2 << 20,
            mergeable: false,
        };
        let count = RangeCount {
            start: 0x4020_0000,
            bytes: 1 << 16,
            source: Source::Hugetlb,
            copied: 1024,
            reused: 1,
            touched: 0,
        };
        let spread = parts_of_count(&count, Some(&mapping), 1 << 16);
        assert_eq!(spread.len(), 32);
        assert!(spread.iter().all(|part| part.copied == 32));
        assert_eq!(spread[31].start, 0x403f_0000);
        assert_eq!(spread.iter().map(|part| part.reused).sum::<u64>(), 1);
        assert_eq!(parts_of_count(&count, None, 1 << 16).len(), 1);
        assert_eq!(parts_of_count(&count, Some(&mapping), 4 << 20).len(), 1);
    }
}
