//! For lack of whose memory processes were killed, in a table of its own: older recordings do not have it.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition},
};
use crate::run::{KilledBy, MemoryKill};

impl Stored for MemoryKill {
    const TABLE: TableDefinition = TableDefinition {
        name: "memory_kills",
        key: &["id"],
        columns: &["process_id", "is_machine", "cgroup", "limit_bytes"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        match &self.by {
            KilledBy::Machine => {
                columns.number(1);
                columns.text_or_null(None);
                columns.number_or_null(None::<u64>);
            }
            KilledBy::Limit {
                cgroup,
                limit_bytes,
            } => {
                columns.number(0);
                columns.text_or_null(cgroup.as_deref());
                columns.number_or_null(*limit_bytes);
            }
        }
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let (process_id, is_machine) = (columns.id()?, columns.flag()?);
        let (cgroup, limit_bytes) = (columns.text_or_null()?, columns.count_or_null()?);
        let by = if is_machine {
            KilledBy::Machine
        } else {
            KilledBy::Limit {
                cgroup,
                limit_bytes,
            }
        };
        Ok(Self { process_id, by })
    }
}
