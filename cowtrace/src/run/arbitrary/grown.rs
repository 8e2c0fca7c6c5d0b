//! Arbitrary contents of new memory.

use crate::run::{FirstTouches, Grown, GrownHeap, GrownType, GrownVariable};

/// What lives on the new pages of the processes that touched some.
pub(super) fn grown_beside(touches: &[FirstTouches]) -> Grown {
    let mut grown = Grown::default();
    for touch in touches {
        let process_id = touch.process_id;
        let is_known = touch.kind.is_some();
        if grown.heaps.iter().any(|it| it.process_id == process_id) {
            continue;
        }
        grown.heaps.push(GrownHeap {
            process_id,
            new_pages: touch.pages,
            read_pages: touch.pages / 2,
            objects: touch.pages / 4,
            unheld_objects: touch.pages / 8,
            cyclic_objects: is_known.then_some(touch.pages / 16),
            collects: is_known.then_some(touch.pages % 2 == 0),
            is_partial: is_known,
            failure: (!is_known).then(|| "it has ended\u{1b}".into()),
            ..GrownHeap::default()
        });
        grown.types.push(GrownType {
            process_id,
            name: "node\u{1b}[2J".into(),
            is_container: is_known,
            objects: touch.pages / 4,
            ..GrownType::default()
        });
        grown.variables.push(GrownVariable {
            process_id,
            path: "main() local kept\u{1b}".into(),
            type_name: is_known.then(|| "list".into()),
            entries: is_known.then_some(touch.pages),
            bytes: touch.pages,
            ..GrownVariable::default()
        });
    }
    grown
}
