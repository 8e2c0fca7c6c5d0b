//! What memory grew by, in tables of its own: older recordings do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition},
};
use crate::run::{Balance, BalanceIs, FirstTouches, Grower, HeldBefore, Kind, PageBalance};

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
            kind: columns.named_or_null(kind_of_name)?,
            pages: columns.count()?,
        })
    }
}

fn kind_of_name(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

impl Stored for Grower {
    const TABLE: TableDefinition = TableDefinition {
        name: "growers",
        key: &["id"],
        columns: &[
            "process_id",
            "kind",
            "function",
            "module",
            "system_call",
            "python_stack_id",
            "native_stack_id",
            "sampled_touches",
            "pages",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.text_or_null(self.kind.map(Kind::name));
        columns.text_or_null(self.function.as_deref());
        columns.text_or_null(self.module.as_deref());
        columns.number_or_null(self.system_call);
        columns.number_or_null(self.python_stack);
        columns.number_or_null(self.native_stack);
        columns.number(self.sampled_touches);
        columns.number(self.pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            kind: columns.named_or_null(kind_of_name)?,
            function: columns.text_or_null()?,
            module: columns.text_or_null()?,
            system_call: columns.id_or_null()?,
            python_stack: columns.id_or_null()?,
            native_stack: columns.id_or_null()?,
            sampled_touches: columns.count()?,
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

impl Stored for Balance {
    const TABLE: TableDefinition = TableDefinition {
        name: "balances",
        key: &["id"],
        columns: &[
            "process_id",
            "at_ns",
            "copied_pages",
            "is_known",
            "shared_pages",
            "unshared_pages",
            "new_pages",
            "gone_pages",
            "swapped_pages",
            "error_pages",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.number(self.at_ns);
        columns.number(self.copied_pages);
        columns.text(self.pages.is.name());
        columns.number(self.pages.shared_pages);
        columns.number(self.pages.unshared_pages);
        columns.number(self.pages.new_pages);
        columns.number(self.pages.gone_pages);
        columns.number(self.pages.swapped_pages);
        columns.number(self.pages.error_pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            at_ns: columns.count()?,
            copied_pages: columns.count()?,
            pages: PageBalance {
                is: columns
                    .named(|name| BalanceIs::ALL.into_iter().find(|is| is.name() == name))?,
                shared_pages: columns.count()?,
                unshared_pages: columns.count()?,
                new_pages: columns.count()?,
                gone_pages: columns.count()?,
                swapped_pages: columns.count()?,
                error_pages: columns.count()?,
            },
        })
    }
}
