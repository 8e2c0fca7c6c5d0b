//! What memory grew by, in tables of its own: older recordings do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition},
};
use crate::run::{FirstTouches, HeldBefore, Kind};

impl Stored for FirstTouches {
    const TABLE: TableDefinition = TableDefinition {
        name: "first_touches",
        key: &["id"],
        columns: &["process_id", "kind", "pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.text_or_null(self.kind.map(Kind::name));
        columns.number(self.pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            kind: columns.named_or_null(|name| {
                let mut kinds = Kind::ALL.into_iter();
                kinds.find(|kind| kind.name() == name)
            })?,
            pages: columns.count()?,
        })
    }
}

impl Stored for HeldBefore {
    const TABLE: TableDefinition = TableDefinition {
        name: "held_before",
        key: &["id"],
        columns: &["process_id", "pages"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.number(self.pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            pages: columns.count()?,
        })
    }
}
