//! R: what it notes in each of its vectors, and what spares that.

use super::advice_item::Advice;
use crate::run::{Run, RuntimePart, Store, Writer};

/// Measured with 200,000 vectors of three numbers (R 4.2): 9,980 pages, and 3,650 by one call on one row of a matrix,
/// of which R itself needs most.
const VECTORS: &str = "R's collector marks each vector and links it into a list, and taking an element out of a list \
                       counts a reference to it. A matrix or a column is one vector, however long. A loop makes a \
                       vector for each number, and these go into memory that the master left free: sum(x) in place of \
                       a loop makes one.";

/// What R copies in each worker of its own functions, packages and environments, at most, bytes: 15 to 31 MiB were
/// measured. Where there is no more, no data is worth another form.
const OF_R_ITSELF: u64 = 32 << 20;

/// Whether so much is copied that it is data.
pub(super) fn is_data(run: &Run, bytes: u64) -> bool {
    let workers = run.descendants().count().max(1) as u64;
    bytes > OF_R_ITSELF * workers
}

/// Whether R wrote what it notes in a vector: a mark, a link, a count; not long content.
pub(super) fn notes_in_vectors(run: &Run, writer: &Writer) -> bool {
    if !is_rs(writer) {
        return false;
    }
    let function = writer.function.as_deref();
    let unnamed = function.and_then(|function| run.who_wrote.unnamed(function));
    let is_collector = unnamed.is_some_and(|it| it.part == Some(RuntimePart::RCollector));
    let is_long = matches!(writer.store, Some(Store::Block | Store::Push));
    is_collector || (writer.store.is_some() && !is_long)
}

/// Advice against these. `saves_at_most_bytes` is what was copied by them.
pub(super) fn advice_on_vectors(saves_at_most_bytes: u64) -> Advice {
    let what = "few long vectors in place of lists, without loops";
    Advice::helping(what, VECTORS, saves_at_most_bytes)
}

/// `libR.so`, and `R` where that is one program with it.
fn is_rs(writer: &Writer) -> bool {
    matches!(writer.module.as_deref(), Some("libR.so" | "R"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{UnnamedFunction, WhoWrote};

    #[test]
    fn what_is_noted_in_vectors_is_told_from_what_they_hold() {
        let run = Run::default();
        let notes = |module, store| notes_in_vectors(&run, &Writer::native(module, "f", store));
        assert!(notes("libR.so", Some(Store::Increment)));
        assert!(notes("libR.so", Some(Store::Pointer)));
        assert!(!notes("libR.so", Some(Store::Block)));
        assert!(notes("libR.so", Some(Store::Value)));
        assert!(!notes("libR.so", None));
        assert!(!notes("libruby.so", Some(Store::Increment)));
    }

    #[test]
    fn the_collector_is_known_without_its_stores() {
        let function = "libR.so+0x193770";
        let unnamed = UnnamedFunction {
            function: function.into(),
            module: "libR.so".into(),
            before: None,
            after: None,
            part: Some(RuntimePart::RCollector),
        };
        let run = Run {
            who_wrote: WhoWrote {
                unnamed_functions: vec![unnamed],
                ..WhoWrote::default()
            },
            ..Run::default()
        };
        assert!(notes_in_vectors(
            &run,
            &Writer::native("libR.so", function, None)
        ));
    }
}
