//! Addresses over which processes are compared.

use std::ops::Range;

use crate::run::{Kind, Mapping};

/// The addresses of private, writable mappings, each once and by address: where a process can have
/// anonymous memory of its own. Given those of the donor and of its inheritors, a balance also has what
/// only one of them has mapped. Pages of hugetlbfs belong to that.
#[must_use]
pub fn balance_spans<'a>(mappings: impl IntoIterator<Item = &'a Mapping>) -> Vec<Range<u64>> {
    let is_own = |it: &&Mapping| {
        let perms = it.perms.as_bytes();
        let is_private = it.kind != Kind::Shared && it.kind != Kind::Special;
        is_private && perms.get(1) == Some(&b'w') && it.huge_page_bytes == 0
    };
    let mappings = mappings.into_iter().filter(is_own);
    joined_spans(mappings.map(|it| it.start..it.end).collect())
}

/// Spans by address, those that touch or overlap as one.
pub(super) fn joined_spans(mut spans: Vec<Range<u64>>) -> Vec<Range<u64>> {
    spans.retain(|span| span.start < span.end);
    spans.sort_by_key(|span| span.start);
    spans.dedup_by(|next, last| {
        let joins = next.start <= last.end;
        if joins {
            last.end = last.end.max(next.end);
        }
        joins
    });
    spans
}
