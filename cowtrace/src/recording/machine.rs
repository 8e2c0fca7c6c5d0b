//! The machine's memory, in tables of their own: older recordings do not have them.

use super::{
    columns::{ColumnReader, Columns, Damage},
    tables::{Stored, TableDefinition},
};
use crate::run::{
    CgroupMemory, Consumer, Elsewhere, GrownProcess, MachineMemory, MachineReading, NearestLimit,
    PlaceOnMachine, ServiceAside, ServiceShared, SocketMemory,
};

impl Stored for MachineReading {
    const TABLE: TableDefinition = TableDefinition {
        name: "machine",
        key: &["id"],
        columns: &[
            "at_ns",
            "total_bytes",
            "free_bytes",
            "per_cpu_lists_bytes",
            "available_bytes",
            "anonymous_bytes",
            "cached_bytes",
            "buffers_bytes",
            "shmem_bytes",
            "slab_bytes",
            "slab_unreclaimable_bytes",
            "page_tables_bytes",
            "secondary_page_tables_bytes",
            "percpu_bytes",
            "vmalloc_bytes",
            "hugetlb_bytes",
            "zswap_bytes",
            "swap_used_bytes",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        let memory = &self.memory;
        columns.number(self.at_ns);
        columns.number(memory.total_bytes);
        columns.number(memory.free_bytes);
        columns.number(memory.per_cpu_lists_bytes);
        columns.number_or_null(memory.available_bytes);
        columns.number(memory.anonymous_bytes);
        columns.number(memory.cached_bytes);
        columns.number(memory.buffers_bytes);
        columns.number(memory.shmem_bytes);
        columns.number(memory.slab_bytes);
        columns.number(memory.slab_unreclaimable_bytes);
        columns.number(memory.page_tables_bytes);
        columns.number_or_null(memory.secondary_page_tables_bytes);
        columns.number_or_null(memory.percpu_bytes);
        columns.number(memory.vmalloc_bytes);
        columns.number_or_null(memory.hugetlb_bytes);
        columns.number_or_null(memory.zswap_bytes);
        columns.number(memory.swap_used_bytes);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            at_ns: columns.count()?,
            memory: MachineMemory {
                total_bytes: columns.count()?,
                free_bytes: columns.count()?,
                per_cpu_lists_bytes: columns.count()?,
                available_bytes: columns.count_or_null()?,
                anonymous_bytes: columns.count()?,
                cached_bytes: columns.count()?,
                buffers_bytes: columns.count()?,
                shmem_bytes: columns.count()?,
                slab_bytes: columns.count()?,
                slab_unreclaimable_bytes: columns.count()?,
                page_tables_bytes: columns.count()?,
                secondary_page_tables_bytes: columns.count_or_null()?,
                percpu_bytes: columns.count_or_null()?,
                vmalloc_bytes: columns.count()?,
                hugetlb_bytes: columns.count_or_null()?,
                zswap_bytes: columns.count_or_null()?,
                swap_used_bytes: columns.count()?,
            },
            ..Self::default()
        })
    }
}

/// The columns of a table whose key is the number of a reading.
const fn of_reading(name: &'static str, columns: &'static [&'static str]) -> TableDefinition {
    TableDefinition {
        name,
        key: &["reading_id"],
        columns,
    }
}

impl Stored for SocketMemory {
    const TABLE: TableDefinition = of_reading(
        "machine_sockets",
        &[
            "tcp_in_use",
            "time_wait",
            "tcp_orphaned",
            "tcp_allocated",
            "tcp_bytes",
            "udp_bytes",
            "fragments_bytes",
        ],
    );

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.tcp_in_use);
        columns.number(self.time_wait);
        columns.number(self.tcp_orphaned);
        columns.number(self.tcp_allocated);
        columns.number(self.tcp_bytes);
        columns.number(self.udp_bytes);
        columns.number(self.fragments_bytes);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            tcp_in_use: columns.count()?,
            time_wait: columns.count()?,
            tcp_orphaned: columns.count()?,
            tcp_allocated: columns.count()?,
            tcp_bytes: columns.count()?,
            udp_bytes: columns.count()?,
            fragments_bytes: columns.count()?,
        })
    }
}

impl Stored for CgroupMemory {
    const TABLE: TableDefinition = of_reading(
        "machine_cgroup",
        &[
            "usage_bytes",
            "anonymous_bytes",
            "file_bytes",
            "shmem_bytes",
            "kernel_bytes",
            "sockets_bytes",
            "swap_bytes",
            "oom_kills",
        ],
    );

    fn write(&self, columns: &mut impl Columns) {
        columns.number_or_null(self.usage_bytes);
        columns.number_or_null(self.anonymous_bytes);
        columns.number_or_null(self.file_bytes);
        columns.number_or_null(self.shmem_bytes);
        columns.number_or_null(self.kernel_bytes);
        columns.number_or_null(self.sockets_bytes);
        columns.number_or_null(self.swap_bytes);
        columns.number_or_null(self.oom_kills);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            usage_bytes: columns.count_or_null()?,
            anonymous_bytes: columns.count_or_null()?,
            file_bytes: columns.count_or_null()?,
            shmem_bytes: columns.count_or_null()?,
            kernel_bytes: columns.count_or_null()?,
            sockets_bytes: columns.count_or_null()?,
            swap_bytes: columns.count_or_null()?,
            oom_kills: columns.count_or_null()?,
        })
    }
}

impl Stored for ServiceAside {
    const TABLE: TableDefinition = of_reading(
        "machine_service",
        &[
            "processes",
            "is_partial",
            "page_tables_bytes",
            "swapped_bytes",
        ],
    );

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.processes);
        columns.number(u64::from(self.is_partial));
        columns.number(self.page_tables_bytes);
        columns.number(self.swapped_bytes);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            processes: columns.count()?,
            is_partial: columns.flag()?,
            page_tables_bytes: columns.count()?,
            swapped_bytes: columns.count()?,
        })
    }
}

impl Stored for ServiceShared {
    const TABLE: TableDefinition =
        of_reading("machine_service_shared", &["sum_bytes", "most_bytes"]);

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.sum_bytes);
        columns.number(self.most_bytes);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            sum_bytes: columns.count()?,
            most_bytes: columns.count()?,
        })
    }
}

impl Stored for GrownProcess {
    const TABLE: TableDefinition = TableDefinition {
        name: "machine_growers",
        key: &["id"],
        columns: &[
            "pid",
            "started_ticks",
            "name",
            "anonymous_pages",
            "grown_pages",
            "is_new",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.consumer.pid));
        columns.number(self.consumer.started_ticks);
        columns.text(&self.consumer.name);
        columns.number(self.consumer.anonymous_pages);
        columns.number(self.grown_pages);
        columns.number(u64::from(self.is_new));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            consumer: Consumer {
                pid: columns.id()?,
                started_ticks: columns.count()?,
                name: columns.text()?,
                anonymous_pages: columns.count()?,
            },
            grown_pages: columns.count()?,
            is_new: columns.flag()?,
        })
    }
}

/// All processes that were not traced, without those that grew most.
#[derive(Clone, Debug)]
pub(super) struct ElsewhereRow(pub(super) Elsewhere);

impl Stored for ElsewhereRow {
    const TABLE: TableDefinition = TableDefinition {
        name: "machine_elsewhere",
        key: &["id"],
        columns: &["grown_pages", "processes", "is_partial"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.number(self.0.grown_pages);
        columns.number(self.0.processes);
        columns.number(u64::from(self.0.is_partial));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(Elsewhere {
            growers: Vec::new(),
            grown_pages: columns.count()?,
            processes: columns.count()?,
            is_partial: columns.flag()?,
        }))
    }
}

impl Stored for PlaceOnMachine {
    const TABLE: TableDefinition = TableDefinition {
        name: "machine_place",
        key: &["id"],
        columns: &[
            "cgroup",
            "is_alone",
            "limit_bytes",
            "usage_bytes",
            "file_bytes",
            "limit_cgroup",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        let limit = self.limit.as_ref();
        columns.text_or_null(self.cgroup.as_deref());
        columns.number(u64::from(self.is_alone));
        columns.number_or_null(limit.map(|it| it.limit_bytes));
        columns.number_or_null(limit.and_then(|it| it.usage_bytes));
        columns.number_or_null(limit.and_then(|it| it.file_bytes));
        columns.text_or_null(limit.and_then(|it| it.cgroup.as_deref()));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let (cgroup, is_alone) = (columns.text_or_null()?, columns.flag()?);
        let limit_bytes = columns.count_or_null()?;
        let (usage_bytes, file_bytes) = (columns.count_or_null()?, columns.count_or_null()?);
        let of_limit = columns.text_or_null()?;
        Ok(Self {
            cgroup,
            is_alone,
            limit: limit_bytes.map(|limit_bytes| NearestLimit {
                limit_bytes,
                usage_bytes,
                file_bytes,
                cgroup: of_limit,
            }),
        })
    }
}
