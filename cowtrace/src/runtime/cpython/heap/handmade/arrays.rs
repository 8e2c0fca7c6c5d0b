//! Arrays of a handmade heap, a mapping, and a table with columns of objects.

use super::{
    super::same,
    objects::{ARRAY, BLOCK, BLOCKS, DTYPE, Heap, INDEX, LIST, MAPPING, PLACEMENT},
};

/// Flags of arrays: their items lie side by side; they own them.
const OWN_CONTIGUOUS: u64 = 1 | 4;

impl Heap {
    /// An array in the place of this object: a list of it. Returns where its items are.
    pub(crate) fn array_in(&mut self, at: u64, items: &[u64]) -> u64 {
        let (array, data) = self.array(b'O', &[items.len() as u64], items);
        self.list_in(at, array);
        data
    }

    /// An array of this shape, and where its items are.
    fn array(&mut self, kind: u8, shape: &[u64], items: &[u64]) -> (u64, u64) {
        self.class(ARRAY, 0, [96, 0], "numpy.ndarray");
        self.class(DTYPE, 0, [96, 0], "numpy.dtypes.ObjectDType");
        let (count, dimensions) = (items.len() as u64, shape.len() as u64);
        let (data, sizes) = (self.take(count * 8), self.take(dimensions * 16));
        self.put(data, items);
        self.put(sizes, shape);
        let strides = sizes + dimensions * 8;
        let rows = [shape.last().copied().unwrap_or(0) * 8, 8];
        self.put(strides, &rows[2 - shape.len()..]);
        let of_items = self.object(96, &[1, DTYPE, 0, u64::from(kind)]);
        let array = self.object(
            96,
            &[1, ARRAY, data, dimensions, sizes, strides, 0, of_items],
        );
        self.put(array + 64, &[OWN_CONTIGUOUS]);
        (array, data)
    }

    /// A table in the place of this object, with two columns of objects: the second and the first of three, whose
    /// names these are.
    pub(crate) fn table_in(&mut self, at: u64, names: [u64; 3], columns: [&[u64]; 2]) {
        self.class(BLOCKS, 0, [48, 0], "pandas._libs.internals.BlockManager");
        self.class(BLOCK, 0, [48, 0], "pandas._libs.internals.Block");
        self.class(
            PLACEMENT,
            0,
            [32, 0],
            "pandas._libs.internals.BlockPlacement",
        );
        self.class(INDEX, 0, [32, 0], "Index");
        let (names, _) = self.array(b'O', &[3], &names);
        let index = self.object(32, &[1, INDEX, names]);
        let axes = self.list(&[index]);
        let (numbers, _) = self.array(b'i', &[2], &[1, 0]);
        let placement = self.object(32, &[1, PLACEMENT, 0, numbers]);
        let shape = [2, columns[0].len() as u64];
        let (values, _) = self.array(b'O', &shape, &columns.concat());
        let block = self.object(48, &[1, BLOCK, placement, values]);
        let blocks = self.tuple(&[block]);
        let table = self.object(48, &[1, BLOCKS, 0, blocks, axes]);
        self.list_in(at, table);
    }

    /// A mapping in the place of this object: a list of it. Returns where it is.
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
