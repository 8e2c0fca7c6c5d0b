//! Regions that an allocator fills. They are found while the trace runs, after their mappings were read, so the
//! mappings keep the name by which a region is found again, and the region gets the allocator's where it is shown.

use std::{collections::HashMap, ops::Range};

use crate::run::Region;

/// The allocator by region.
#[derive(Debug, Default)]
pub(super) struct FilledRegions(HashMap<u32, FilledBy>);

/// The addresses that an allocator fills, as they were looked at.
#[derive(Debug)]
struct FilledBy {
    name: &'static str,
    span: Range<u64>,
}

impl FilledRegions {
    /// Takes in which allocator fills a mapping of a region, if one does.
    pub(super) fn note(&mut self, region: u32, mapping: Range<u64>, name: Option<&'static str>) {
        match (self.0.get_mut(&region), name) {
            (Some(filled), Some(name)) if filled.name == name => {
                filled.span.start = filled.span.start.min(mapping.start);
                filled.span.end = filled.span.end.max(mapping.end);
            }
            (_, Some(name)) => {
                let span = mapping;
                self.0.insert(region, FilledBy { name, span });
            }
            // Something else is there now, or beside it.
            (Some(filled), None)
                if !is_nearly_all(
                    &filled.span,
                    size(&mapping).saturating_add(size(&filled.span)),
                ) =>
            {
                self.0.remove(&region);
            }
            (_, None) => {}
        }
    }

    /// A region as it is shown. It has grown too much since it was looked at, or it is called by its allocator.
    pub(super) fn shown(&self, mut region: Region) -> Region {
        if let Some(filled) = self.0.get(&region.id)
            && is_nearly_all(&filled.span, region.mapping.size_bytes())
        {
            filled.name.clone_into(&mut region.mapping.name);
        }
        region
    }
}

const fn size(span: &Range<u64>) -> u64 {
    span.end.saturating_sub(span.start)
}

/// Whether a span is at least nine tenths of these bytes.
const fn is_nearly_all(span: &Range<u64>, bytes: u64) -> bool {
    size(span) >= bytes / 10 * 9
}
