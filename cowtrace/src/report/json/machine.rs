//! The machine's memory, as JSON.

use serde::Serialize;

use crate::{
    run::{Elsewhere, MachineReading, PlaceOnMachine, Run},
    verdict::{TreeGrowth, growth_of_tree},
};

#[derive(Serialize)]
pub(super) struct MachineOut<'a> {
    growth: Option<MachineGrowthOut>,
    place: Option<&'a PlaceOnMachine>,
    elsewhere: Option<&'a Elsewhere>,
    readings: &'a [MachineReading],
}

/// What the machine lost, bytes; what it gained is negative.
#[derive(Serialize)]
struct MachineGrowthOut {
    from_ns: u64,
    to_ns: u64,
    used_bytes: i64,
    parts: Vec<MachinePartOut>,
    available_bytes: Option<u64>,
    beside: BesideOut,
}

#[derive(Serialize)]
struct MachinePartOut {
    what: &'static str,
    bytes: i64,
}

#[derive(Serialize)]
struct BesideOut {
    is_of_service: bool,
    kernel_bytes: u64,
    is_services_kernel: bool,
    page_tables_bytes: Option<u64>,
    socket_buffers_bytes: u64,
    time_wait: u64,
    time_wait_bytes: u64,
    page_cache_bytes: u64,
    shared_bytes: u64,
    services_shared_bytes: u64,
    elsewhere_bytes: Option<u64>,
}

/// What was read of the machine.
pub(super) fn machine_out(run: &Run) -> MachineOut<'_> {
    MachineOut {
        growth: growth_of_tree(run).as_ref().and_then(growth_out),
        place: run.machine.place.as_ref(),
        elsewhere: run.machine.elsewhere.as_ref(),
        readings: &run.machine.readings,
    }
}

fn growth_out(growth: &TreeGrowth) -> Option<MachineGrowthOut> {
    let machine = growth.machine?;
    let beside = machine.beside;
    let part = |(what, bytes)| MachinePartOut { what, bytes };
    Some(MachineGrowthOut {
        from_ns: machine.from_ns,
        to_ns: machine.to_ns,
        used_bytes: machine.used_bytes,
        parts: machine.parts().map(part).into(),
        available_bytes: machine.available_bytes,
        beside: BesideOut {
            is_of_service: beside.is_of_service,
            kernel_bytes: beside.kernel_bytes,
            is_services_kernel: beside.is_services_kernel,
            page_tables_bytes: beside.page_tables_bytes,
            socket_buffers_bytes: beside.socket_buffers_bytes,
            time_wait: beside.time_wait,
            time_wait_bytes: beside.time_wait_bytes,
            page_cache_bytes: beside.page_cache_bytes,
            shared_bytes: beside.shared_bytes,
            services_shared_bytes: beside.services_shared_bytes,
            elsewhere_bytes: beside.elsewhere_bytes,
        },
    })
}
