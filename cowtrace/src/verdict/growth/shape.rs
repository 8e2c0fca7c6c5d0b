//! How new memory went on over a trace.

/// Below this time there are figures, but no verdict, ns: a cache that fills looks like a leak.
pub(super) const SOON_NS: u64 = 20_000_000_000;

/// What is less than this is not worth a word, bytes.
pub(super) const FLOOR_BYTES: u64 = 4 << 20;

/// How new memory went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrowthShape {
    /// There is next to none, and there was next to none.
    Nothing,
    /// There was some, and most of it was given back.
    ComesAndGoes,
    /// It kept growing up to the end.
    Growing,
    /// It stopped growing this long before the end, ns.
    Stopped(u64),
    /// It may be either.
    Unclear,
}

/// Pages at times, ns since the start, in order.
pub(super) type Series = Vec<(u64, u64)>;
