//! Tables of holders: one row per variable, and its types and sharers in separate tables.

use rusqlite::{Connection, Result};

use super::{
    columns::{ColumnReader, Columns, Damage},
    savings::HeldSavings,
    sync::{HeldRows, parts_by_owner, sync_list, sync_table},
    tables::{Stored, TableDefinition},
};
use crate::run::{Allocator, AlsoHeld, CopiedType, FreeMemory, HeapWalk, Holder, Run};

/// The rows that these tables hold.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldHolders {
    holders: HeldRows,
    types: HeldRows,
    sharers: HeldRows,
    walks: HeldRows,
    savings: HeldSavings,
    free: HeldRows,
}

impl HeldHolders {
    pub(super) fn sync(&self, db: &Connection, run: &Run) -> Result<Self> {
        let types = parts_by_owner(&run.who_holds.holders, |holder| &holder.copied_types);
        let sharers = parts_by_owner(&run.who_holds.holders, |holder| &holder.also_held_by);
        let free = parts_by_owner(&run.who_holds.heap_walks, |walk| &walk.free);
        Ok(Self {
            holders: sync_list::<Holder, _>(db, &self.holders, &run.who_holds.holders)?,
            types: sync_table::<CopiedType, _>(db, &self.types, types)?,
            sharers: sync_table::<AlsoHeld, _>(db, &self.sharers, sharers)?,
            walks: sync_list::<HeapWalk, _>(db, &self.walks, &run.who_holds.heap_walks)?,
            savings: self.savings.sync(db, &run.who_holds)?,
            free: sync_table::<FreeMemory, _>(db, &self.free, free)?,
        })
    }
}

impl Stored for Holder {
    const TABLE: TableDefinition = TableDefinition {
        name: "holders",
        key: &["id"],
        columns: &["process_id", "path", "type", "entries", "copied_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.text(&self.path);
        columns.text_or_null(self.type_name.as_deref());
        columns.number_or_null(self.entries);
        columns.number(self.copied_pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            path: columns.text()?,
            type_name: columns.text_or_null()?,
            entries: columns.count_or_null()?,
            copied_pages: columns.count()?,
            copied_types: Vec::new(),
            also_held_by: Vec::new(),
            saving: None,
        })
    }
}

impl Stored for CopiedType {
    const TABLE: TableDefinition = TableDefinition {
        name: "holder_types",
        key: &["holder_id", "position"],
        columns: &["type", "copied_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.type_name);
        columns.number(self.copied_pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            type_name: columns.text()?,
            copied_pages: columns.count()?,
        })
    }
}

impl Stored for AlsoHeld {
    const TABLE: TableDefinition = TableDefinition {
        name: "holder_sharers",
        key: &["holder_id", "position"],
        columns: &["path", "copied_pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.path);
        columns.number(self.copied_pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            path: columns.text()?,
            copied_pages: columns.count()?,
        })
    }
}

impl Stored for HeapWalk {
    const TABLE: TableDefinition = TableDefinition {
        name: "heap_walks",
        key: &["position"],
        columns: &[
            "process_id",
            "read_process_id",
            "asked_pages",
            "held_pages",
            "by_page",
            "objects",
            "bytes_read",
            "duration_ns",
            "is_partial",
            "is_compared",
            "at_ns",
            "has_changed",
            "failure",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.number_or_null(self.read_process_id);
        for count in [
            self.asked_pages,
            self.held_pages,
            self.by_page,
            self.objects,
            self.bytes_read,
            self.duration_ns,
            u64::from(self.is_partial),
            u64::from(self.is_compared),
        ] {
            columns.number(count);
        }
        columns.number_or_null(self.at_ns);
        columns.number(u64::from(self.has_changed));
        columns.text_or_null(self.failure.as_deref());
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            read_process_id: columns.id_or_null()?,
            asked_pages: columns.count()?,
            held_pages: columns.count()?,
            by_page: columns.count()?,
            free: Vec::new(),
            objects: columns.count()?,
            bytes_read: columns.count()?,
            duration_ns: columns.count()?,
            is_partial: columns.flag()?,
            is_compared: columns.flag()?,
            at_ns: columns.count_or_null()?,
            has_changed: columns.flag()?,
            failure: columns.text_or_null()?,
            freeze: None,
            reading: None,
        })
    }
}

impl Stored for FreeMemory {
    const TABLE: TableDefinition = TableDefinition {
        name: "heap_walk_free",
        key: &["walk_position", "position"],
        columns: &["allocator", "copied_pages", "in_use_bytes", "free_bytes"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(self.allocator.name());
        columns.number(self.copied_pages);
        columns.number(self.in_use_bytes);
        columns.number(self.free_bytes);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> std::result::Result<Self, Damage> {
        Ok(Self {
            allocator: columns
                .named(|name| Allocator::ALL.into_iter().find(|it| it.name() == name))?,
            copied_pages: columns.count()?,
            in_use_bytes: columns.count()?,
            free_bytes: columns.count()?,
        })
    }
}
