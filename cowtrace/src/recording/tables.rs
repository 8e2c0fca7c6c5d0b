//! How values of the model are stored in tables: one `Stored` per table, which names its columns
//! and writes and reads them in that order. schema.sql describes them.

use super::columns::{ColumnReader, Columns, Damage};
use crate::run::{
    Kind, Loss, Mapping, PerfMapProblem, Process, Region, Role, Row, Sources, UntracedDonor,
};

/// A table.
pub(super) struct TableDefinition {
    pub(super) name: &'static str,
    /// Key columns: one, or two that are the high and low half of a number.
    pub(super) key: &'static [&'static str],
    /// The other columns.
    pub(super) columns: &'static [&'static str],
}

/// A row of a table.
pub(super) trait Stored: Sized {
    const TABLE: TableDefinition;

    /// Writes the values of the columns, without the key.
    fn write(&self, columns: &mut impl Columns);

    /// Reads them, in the same order.
    fn read(key: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage>;
}

/// The only column besides the key, in the table of a list.
pub(super) const fn list_table(
    name: &'static str,
    columns: &'static [&'static str],
) -> TableDefinition {
    TableDefinition {
        name,
        key: &["position"],
        columns,
    }
}

/// A process id given by the user.
pub(super) struct TargetRow(pub(super) u32);

impl Stored for TargetRow {
    const TABLE: TableDefinition = list_table("targets", &["pid"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.0));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.id()?))
    }
}

/// A label given by the user.
pub(super) struct LabelRow(pub(super) String, pub(super) String);

impl Stored for LabelRow {
    const TABLE: TableDefinition = list_table("labels", &["key", "value"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.0);
        columns.text(&self.1);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.text()?, columns.text()?))
    }
}

/// What the backend cannot see.
pub(super) struct UnseenRow(pub(super) String);

impl Stored for UnseenRow {
    const TABLE: TableDefinition = list_table("backend_unseen", &["what"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.0);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.text()?))
    }
}

/// A backend that could not run, and why.
pub(super) struct RejectedRow(pub(super) String, pub(super) String);

impl Stored for RejectedRow {
    const TABLE: TableDefinition = list_table("backends_rejected", &["backend", "reason"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.0);
        columns.text(&self.1);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.text()?, columns.text()?))
    }
}

impl Stored for UntracedDonor {
    const TABLE: TableDefinition = list_table(
        "untraced_donors",
        &["pid", "donor_pid", "donor_comm", "is_parent"],
    );

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.pid));
        columns.number(u64::from(self.donor_pid));
        columns.text(&self.donor_comm);
        columns.number(u64::from(self.is_parent));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            pid: columns.id()?,
            donor_pid: columns.id()?,
            donor_comm: columns.text()?,
            is_parent: columns.flag()?,
        })
    }
}

impl Stored for PerfMapProblem {
    const TABLE: TableDefinition = list_table("perf_map_problems", &["pid", "problem"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.pid));
        columns.text(&self.problem);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            pid: columns.id()?,
            problem: columns.text()?,
        })
    }
}

/// How often one cause of loss occurred: its position in [`Loss::CAUSES`], and the number.
pub(super) struct Lost(pub(super) usize, pub(super) u64);

impl Stored for Lost {
    const TABLE: TableDefinition = list_table("loss", &["cause", "count", "meaning"]);

    fn write(&self, columns: &mut impl Columns) {
        let cause = Loss::CAUSES.get(self.0);
        columns.text(cause.map_or("", |cause| cause.key));
        columns.number(self.1);
        columns.text(cause.map_or("", |cause| cause.meaning));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let known = |key: &str| Loss::CAUSES.iter().position(|cause| cause.key == key);
        Ok(Self(columns.named(known)?, columns.count()?))
    }
}

const SOURCES: [&str; 6] = ["anon", "file", "zero", "ksm", "hugetlb", "unknown"];

fn write_sources(sources: &Sources, columns: &mut impl Columns) {
    for pages in sources.each() {
        columns.number(pages);
    }
}

fn read_sources(columns: &mut ColumnReader<'_>) -> Result<Sources, Damage> {
    Ok(Sources {
        anon: columns.count()?,
        file: columns.count()?,
        zero: columns.count()?,
        ksm: columns.count()?,
        hugetlb: columns.count()?,
        unknown: columns.count()?,
    })
}

impl Stored for Process {
    const TABLE: TableDefinition = TableDefinition {
        name: "processes",
        key: &["id"],
        columns: &[
            "pid",
            "parent_id",
            "comm",
            "role",
            "started_ns",
            "exited_ns",
            SOURCES[0],
            SOURCES[1],
            SOURCES[2],
            SOURCES[3],
            SOURCES[4],
            SOURCES[5],
            "reused_faults",
            "inherited_pages",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.pid));
        columns.number_or_null(self.parent_id);
        columns.text(&self.comm);
        columns.text(self.role.name());
        columns.number(self.started_ns);
        columns.number_or_null(self.exited_ns);
        write_sources(&self.copied, columns);
        columns.number(self.reused_faults);
        columns.number_or_null(self.inherited_pages);
    }

    fn read(key: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            id: columns.key(key)?,
            pid: columns.id()?,
            parent_id: columns.id_or_null()?,
            comm: columns.text()?,
            role: columns.named(|name| Role::ALL.into_iter().find(|role| role.name() == name))?,
            started_ns: columns.count()?,
            exited_ns: columns.count_or_null()?,
            exit: None,
            copied: read_sources(columns)?,
            reused_faults: columns.count()?,
            inherited_pages: columns.count_or_null()?,
            target: None,
        })
    }
}

impl Stored for Region {
    const TABLE: TableDefinition = TableDefinition {
        name: "regions",
        key: &["id"],
        columns: &[
            "process_id",
            "start_address",
            "end_address",
            "name",
            "kind",
            "perms",
            "file_offset",
            "resident_pages",
            "anonymous_pages",
            "huge_page_bytes",
            "mergeable",
            "inheritors",
            "inherited_pages",
            "copied_pages",
            "unshared_pages",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        let mapping = &self.mapping;
        columns.number(u64::from(self.process_id));
        columns.address(mapping.start);
        columns.address(mapping.end);
        columns.text(&mapping.name);
        columns.text(mapping.kind.name());
        columns.text(&mapping.perms);
        columns.address(mapping.offset);
        columns.number(mapping.resident_pages);
        columns.number(mapping.anonymous_pages);
        columns.number(mapping.huge_page_bytes);
        columns.number(u64::from(mapping.mergeable));
        columns.number(self.inheritors);
        columns.number(self.inherited_pages);
        columns.number(self.copied_pages);
        columns.number(self.unshared_pages);
    }

    fn read(key: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            id: columns.key(key)?,
            process_id: columns.id()?,
            mapping: Mapping {
                start: columns.address()?,
                end: columns.address()?,
                name: columns.text()?,
                kind: columns
                    .named(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name))?,
                perms: columns.text()?,
                offset: columns.address()?,
                resident_pages: columns.count()?,
                anonymous_pages: columns.count()?,
                huge_page_bytes: columns.count()?,
                mergeable: columns.flag()?,
            },
            inheritors: columns.count()?,
            inherited_pages: columns.count()?,
            copied_pages: columns.count()?,
            unshared_pages: columns.count()?,
        })
    }
}

impl Stored for Row {
    const TABLE: TableDefinition = TableDefinition {
        name: "ranges",
        key: &["id"],
        columns: &[
            "process_id",
            "region_id",
            "start_address",
            "mapping",
            SOURCES[0],
            SOURCES[1],
            SOURCES[2],
            SOURCES[3],
            SOURCES[4],
            SOURCES[5],
            "reused_faults",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.process_id));
        columns.number_or_null(self.region_id);
        match self.start {
            Some(start) => columns.address(start),
            None => columns.null(),
        }
        columns.text_or_null(self.mapping.as_deref());
        write_sources(&self.copied, columns);
        columns.number(self.reused_faults);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            process_id: columns.id()?,
            region_id: columns.id_or_null()?,
            start: columns.address_or_null()?,
            mapping: columns.text_or_null()?,
            copied: read_sources(columns)?,
            reused_faults: columns.count()?,
        })
    }
}
