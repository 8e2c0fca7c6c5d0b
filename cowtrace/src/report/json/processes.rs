//! Processes, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    run::{Donors, Ending, Exit, KilledBy, Kind, Process, Role, Run, Sources, Successors},
    verdict::{NewOfProcess, new_by_process},
    words::role_in_words,
};

#[derive(Serialize)]
pub(super) struct ProcessOut<'a> {
    id: u32,
    pid: u32,
    parent_id: Option<u32>,
    comm: &'a str,
    command: Option<&'a str>,
    role: Role,
    target: Option<u32>,
    started_anew: bool,
    started_ns: u64,
    exited_ns: Option<u64>,
    became_id: Option<u32>,
    exit: Option<ExitOut>,
    copied_pages: u64,
    reused_faults: u64,
    touched_pages: Option<u64>,
    touched_by_kind: BTreeMap<&'static str, u64>,
    held_before_pages: Option<u64>,
    new_pages: Option<u64>,
    given_back_pages: Option<u64>,
    inherited_pages: Option<u64>,
    by_source: Sources,
}

#[derive(Serialize)]
struct ExitOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_name: Option<&'static str>,
    out_of_memory: bool,
    oom_kills: u64,
    with_trace: bool,
    killed_by: Option<KilledByOut>,
}

/// For lack of whose memory the kernel killed it.
#[derive(Serialize)]
struct KilledByOut {
    what: &'static str,
    cgroup: Option<String>,
    limit_bytes: Option<u64>,
}

impl KilledByOut {
    fn of(run: &Run, process: &Process) -> Option<Self> {
        let mut kills = run.machine.kills.iter();
        let kill = kills.find(|kill| kill.process_id == process.id)?;
        Some(match &kill.by {
            KilledBy::Machine => Self {
                what: "machine",
                cgroup: None,
                limit_bytes: None,
            },
            KilledBy::Limit {
                cgroup,
                limit_bytes,
            } => Self {
                what: "limit",
                cgroup: cgroup.clone(),
                limit_bytes: *limit_bytes,
            },
        })
    }
}

impl ExitOut {
    fn of(run: &Run, process: &Process, exit: Exit) -> Self {
        let (status, signal) = match exit.ending {
            Ending::Status(status) => (Some(status), None),
            Ending::Signal(signal) => (None, Some(signal)),
        };
        Self {
            status,
            signal,
            signal_name: exit.signal_name(),
            out_of_memory: exit.may_be_out_of_memory(),
            oom_kills: exit.oom_kills,
            with_trace: exit.with_trace,
            killed_by: KilledByOut::of(run, process),
        }
    }
}

/// All processes.
pub(super) fn processes_out(run: &Run) -> Vec<ProcessOut<'_>> {
    let successors = Successors::of(&run.memory);
    let donors = Donors::of(&run.memory.processes);
    let new = new_by_process(run);
    let processes = run.memory.processes.iter();
    let out = processes.map(|process| {
        let new = new.as_ref().and_then(|new| new.get(&process.id)).copied();
        process_out(run, process, (&successors, &donors), new)
    });
    out.collect()
}

fn process_out<'a>(
    run: &'a Run,
    process: &'a Process,
    (successors, donors): (&Successors<'_>, &Donors),
    new: Option<NewOfProcess>,
) -> ProcessOut<'a> {
    let touched_by_kind = touched_by_kind(run, process);
    ProcessOut {
        touched_pages: run.has_growth().then(|| touched_by_kind.values().sum()),
        touched_by_kind,
        held_before_pages: run.growth.held_before_of(process.id),
        new_pages: new.map(|new| new.held),
        given_back_pages: new.map(|new| new.given_back),
        id: process.id,
        pid: process.pid,
        parent_id: donors.donor(process),
        comm: &process.comm,
        command: run.memory.command_line_of(process.id),
        role: process.role,
        target: process.target,
        started_anew: role_in_words(process) == "process",
        started_ns: process.started_ns,
        exited_ns: process.exited_ns,
        became_id: successors.after(process).map(|next| next.id),
        copied_pages: process.copied.total(),
        reused_faults: process.reused_faults,
        exit: process.exit.map(|exit| ExitOut::of(run, process, exit)),
        inherited_pages: run.memory.inherited_pages(process),
        by_source: process.copied,
    }
}

/// First touches of a process by kind of mapping.
fn touched_by_kind(run: &Run, process: &Process) -> BTreeMap<&'static str, u64> {
    let all = &run.growth.first_touches;
    let first = all.partition_point(|touches| touches.process_id < process.id);
    let own = all[first..].iter();
    own.take_while(|touches| touches.process_id == process.id)
        .map(|touches| (touches.kind.map_or("unknown", Kind::name), touches.pages))
        .collect()
}
