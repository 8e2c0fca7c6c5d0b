//! Arrays of a handmade heap, and a mapping.

use super::{
    super::same,
    objects::{ARRAY, DTYPE, Heap, LIST, MAPPING},
};

impl Heap {
    /// An array of objects as an item of the first list, in the place of this object.
    pub(crate) fn array_in(&mut self, at: u64, items: &[u64]) -> (u64, u64) {
        self.class(ARRAY, 0, [96, 0], "numpy.ndarray");
        self.class(DTYPE, 0, [96, 0], "numpy.dtypes.ObjectDType");
        let count = items.len() as u64;
        let (data, shape) = (self.take(count * 8), self.take(16));
        self.put(data, items);
        self.put(shape, &[count, 8]);
        let of_items = self.object(96, &[1, DTYPE, 0, u64::from(b'O')]);
        let flags = 1 | 4;
        let array = self.object(
            96,
            &[1, ARRAY, data, 1, shape, shape + 8, 0, of_items, flags],
        );
        self.list_in(at, array);
        (array, data)
    }

    /// A mapping in the place of this object.
    pub(crate) fn mapping_in(&mut self, at: u64, bytes: u64) -> u64 {
        self.class(MAPPING, 0, [64, 0], "mmap.mmap");
        let start = self.take(bytes);
        let mapping = self.object(64, &[1, MAPPING, start, bytes]);
        self.list_in(at, mapping);
        start
    }

    /// Makes a list of one item of an object.
    fn list_in(&mut self, at: u64, item: u64) {
        let table = self.take(8);
        self.put(table, &[item]);
        self.put(at, &[1, LIST, 1]);
        self.put(at + same::LIST_ITEMS, &[table, 1]);
    }
}
