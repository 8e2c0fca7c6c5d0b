//! Classes that nothing but their objects leads to: an extension may keep those that it makes to itself, and a program
//! may forget the name of one. What a class holds belongs to no other variable then.

use super::{
    kind::ObjectKind,
    paths::{PathLabel, ROOT},
    walk::Walk,
};

impl Walk<'_> {
    /// Visits those whose objects were met since the last time; false if there is none. They come after everything
    /// else, so that each class is called by the path that leads to it if there is one.
    pub(super) fn meet_classes(&mut self) -> bool {
        let before = self.visited;
        while let Some(address) = self.objects.kinds.address_of(self.next_class) {
            self.next_class += 1;
            let place = self.objects.memory.place(address);
            let is_new = place.is_some_and(|place| !self.marks.has(place));
            let is_class = is_new && self.objects.at_of_kind(address, ObjectKind::Type).is_some();
            // Without a node of its own it would belong to nobody.
            if is_class && self.tree.next().is_some() && !self.is_over() {
                self.meet(address, PathLabel::class(address), ROOT);
            }
        }
        self.visited > before
    }
}
