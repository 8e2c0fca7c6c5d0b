//! Functions without a name and their files, in tables of their own: older recordings do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition, list_table},
};
use crate::run::{ExportedNeighbour, RuntimePart, StrippedFile, UnnamedFunction};

impl Stored for UnnamedFunction {
    const TABLE: TableDefinition = list_table(
        "unnamed_functions",
        &[
            "function",
            "module",
            "before",
            "before_apart",
            "after",
            "after_apart",
            "part",
        ],
    );

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.function);
        columns.text(&self.module);
        for beside in [&self.before, &self.after] {
            columns.text_or_null(beside.as_ref().map(|it| it.function.as_str()));
            columns.number_or_null(beside.as_ref().map(|it| it.functions_apart));
        }
        columns.text_or_null(self.part.map(RuntimePart::name));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let (function, module) = (columns.text()?, columns.text()?);
        let mut beside = || -> Result<Option<ExportedNeighbour>, Damage> {
            let both = columns.text_or_null()?.zip(columns.count_or_null()?);
            Ok(both.map(|(function, functions_apart)| ExportedNeighbour {
                function,
                functions_apart,
            }))
        };
        let (before, after) = (beside()?, beside()?);
        // A later version may know more parts.
        let part = columns.text_or_null()?;
        let part = part.and_then(|name| RuntimePart::ALL.into_iter().find(|it| it.name() == name));
        Ok(Self {
            function,
            module,
            before,
            after,
            part,
        })
    }
}

impl Stored for StrippedFile {
    const TABLE: TableDefinition = list_table(
        "stripped_files",
        &[
            "module",
            "build_id",
            "package",
            "distribution",
            "is_in_container",
        ],
    );

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.module);
        columns.text_or_null(self.build_id.as_deref());
        columns.text_or_null(self.package.as_deref());
        columns.text_or_null(self.distribution.as_deref());
        columns.number(u64::from(self.is_in_container));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            module: columns.text()?,
            build_id: columns.text_or_null()?,
            package: columns.text_or_null()?,
            distribution: columns.text_or_null()?,
            is_in_container: columns.flag()?,
        })
    }
}
