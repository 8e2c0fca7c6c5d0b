//! What lives on new pages, in tables of its own: older recordings do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition},
};
use crate::run::{GrownHeap, GrownType, GrownVariable};

impl Stored for GrownHeap {
    const TABLE: TableDefinition = TableDefinition {
        name: "grown_heaps",
        key: &["id"],
        columns: &[
            "process_id",
            "new_pages",
            "read_pages",
            "objects",
            "bytes",
            "unheld_objects",
            "unheld_bytes",
            "cyclic_objects",
            "held_bytes",
            "collects",
            "is_partial",
            "duration_ns",
            "failure",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        for count in [
            self.new_pages,
            self.read_pages,
            self.objects,
            self.bytes,
            self.unheld_objects,
            self.unheld_bytes,
        ] {
            columns.number(count);
        }
        columns.number_or_null(self.cyclic_objects);
        columns.number(self.held_bytes);
        columns.number_or_null(self.collects.map(u64::from));
        columns.number(u64::from(self.is_partial));
        columns.number(self.duration_ns);
        columns.text_or_null(self.failure.as_deref());
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            new_pages: columns.count()?,
            read_pages: columns.count()?,
            objects: columns.count()?,
            bytes: columns.count()?,
            unheld_objects: columns.count()?,
            unheld_bytes: columns.count()?,
            cyclic_objects: columns.count_or_null()?,
            held_bytes: columns.count()?,
            collects: columns.count_or_null()?.map(|it| it != 0),
            is_partial: columns.flag()?,
            duration_ns: columns.count()?,
            failure: columns.text_or_null()?,
        })
    }
}

impl Stored for GrownType {
    const TABLE: TableDefinition = TableDefinition {
        name: "grown_types",
        key: &["id"],
        columns: &[
            "process_id",
            "type",
            "is_container",
            "objects",
            "bytes",
            "unheld_objects",
            "unheld_bytes",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.text(&self.name);
        for count in [
            u64::from(self.is_container),
            self.objects,
            self.bytes,
            self.unheld_objects,
            self.unheld_bytes,
        ] {
            columns.number(count);
        }
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            name: columns.text()?,
            is_container: columns.flag()?,
            objects: columns.count()?,
            bytes: columns.count()?,
            unheld_objects: columns.count()?,
            unheld_bytes: columns.count()?,
        })
    }
}

impl Stored for GrownVariable {
    const TABLE: TableDefinition = TableDefinition {
        name: "grown_variables",
        key: &["id"],
        columns: &["process_id", "path", "type", "entries", "objects", "bytes"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.text(&self.path);
        columns.text_or_null(self.type_name.as_deref());
        columns.number_or_null(self.entries);
        columns.number(self.objects);
        columns.number(self.bytes);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            path: columns.text()?,
            type_name: columns.text_or_null()?,
            entries: columns.count_or_null()?,
            objects: columns.count()?,
            bytes: columns.count()?,
        })
    }
}
