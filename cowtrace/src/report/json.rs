//! JSON in the schema `cowtrace.report/1`: fields may be added, but not renamed or removed.
//! docs/json.md describes it for users.

mod growers;
mod machine;
mod processes;
mod verdict;

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
};

use serde::Serialize;

use self::{
    growers::{GrowerOut, growers_out},
    machine::{MachineOut, machine_out},
    processes::{ProcessOut, processes_out},
    verdict::{AdviceOut, BalanceOut, VerdictOut, advice_out, balances_out, verdict_out},
};

use crate::run::{
    AlsoHeld, Grown, HeapWalk, Holder, Loss, NativeFrame, PerfMapProblem, PythonFrame, Region, Row,
    Run, Saving, Sources, StackEnd, Store, StrippedFile, Timeline, TracedTarget, UnnamedFunction,
    UntracedDonor, WriteKind,
};

/// The schema of a report in JSON.
pub const REPORT_SCHEMA: &str = "cowtrace.report/1";
const PIECES_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    tool: Tool<'a>,
    host: &'a crate::run::Host,
    run: Meta<'a>,
    totals: TotalsOut,
    loss: BTreeMap<&'static str, u64>,
    processes: Vec<ProcessOut<'a>>,
    regions: Vec<RegionOut<'a>>,
    histogram: HistogramOut<'a>,
    writers: Vec<WriterOut<'a>>,
    holders: Vec<HolderOut<'a>>,
    heap_walks: &'a [HeapWalk],
    growers: Vec<GrowerOut<'a>>,
    unnamed_functions: &'a [UnnamedFunction],
    stripped_files: &'a [StrippedFile],
    timeline: &'a Timeline,
    balance: Vec<BalanceOut>,
    grown: &'a Grown,
    verdict: VerdictOut,
    advice: Vec<AdviceOut>,
    machine: MachineOut<'a>,
}

#[derive(Serialize)]
struct Tool<'a> {
    version: &'a str,
}

#[derive(Serialize)]
struct Meta<'a> {
    id: &'a str,
    started_at: &'a str,
    duration_ns: u64,
    unfinished: bool,
    backend: &'a str,
    backend_unseen: &'a [String],
    backends_rejected: Vec<RejectedOut<'a>>,
    perf_map_problems: &'a [PerfMapProblem],
    targets: &'a [u32],
    untraced_donors: &'a [UntracedDonor],
    traced_targets: &'a [TracedTarget],
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct WriterOut<'a> {
    process_id: Option<u32>,
    kind: WriteKind,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    function: Option<&'a str>,
    module: Option<&'a str>,
    inlined: &'a [String],
    python: Option<Vec<&'a PythonFrame>>,
    python_end: Option<StackEnd>,
    native: Option<Vec<&'a NativeFrame>>,
    native_end: Option<StackEnd>,
    system_call: Option<u32>,
    system_call_name: Option<&'static str>,
    store: Option<Store>,
    region_id: Option<u32>,
    copied_pages: u64,
}

#[derive(Serialize)]
struct HolderOut<'a> {
    process_id: u32,
    pid: Option<u32>,
    comm: Option<&'a str>,
    path: &'a str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    entries: Option<u64>,
    copied_pages: u64,
    copied_types: Vec<CopiedTypeOut<'a>>,
    also_held_by: &'a [AlsoHeld],
    saving: Option<&'a Saving>,
}

#[derive(Serialize)]
struct CopiedTypeOut<'a> {
    #[serde(rename = "type")]
    type_name: &'a str,
    copied_pages: u64,
}

#[derive(Serialize)]
struct RejectedOut<'a> {
    backend: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct TotalsOut {
    copied_pages: u64,
    copied_bytes: u64,
    reused_faults: u64,
    by_source: Sources,
}

#[derive(Serialize)]
struct RegionOut<'a> {
    id: u32,
    process_id: u32,
    start: String,
    end: String,
    name: &'a str,
    kind: &'static str,
    perms: &'a str,
    size_bytes: u64,
    resident_pages: Option<u64>,
    copied_pages: u64,
    unshared_fraction: Option<f64>,
    inheritors: u64,
    inherited_pages: Option<u64>,
}

#[derive(Serialize)]
struct HistogramOut<'a> {
    range_bytes: u64,
    /// None if it is left out.
    ranges: Option<Vec<Range<'a>>>,
}

#[derive(Serialize)]
struct Range<'a> {
    process_id: u32,
    region_id: Option<u32>,
    start: Option<String>,
    copied_pages: u64,
    reused_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<&'a str>,
}

/// How much of a histogram is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Histogram {
    /// Every range.
    Whole,
    /// The size of ranges only.
    LeftOut,
}

/// Writes a run as JSON.
pub fn run_as_json(run: &Run, histogram: Histogram, out: &mut dyn Write) -> io::Result<()> {
    let copied = run.copied();
    let report = Report {
        schema: REPORT_SCHEMA,
        tool: Tool {
            version: &run.head.tool_version,
        },
        host: &run.head.host,
        run: Meta {
            id: &run.head.id,
            started_at: &run.head.started_at,
            duration_ns: run.head.duration_ns,
            unfinished: run.head.unfinished,
            backend: &run.head.backend,
            backend_unseen: &run.head.unseen,
            backends_rejected: run
                .head
                .rejected
                .iter()
                .map(|(backend, reason)| RejectedOut { backend, reason })
                .collect(),
            perf_map_problems: &run.who_wrote.perf_map_problems,
            targets: &run.head.targets,
            untraced_donors: &run.head.untraced_donors,
            traced_targets: &run.head.traced_targets,
            labels: &run.head.labels,
        },
        totals: TotalsOut {
            copied_pages: copied.total(),
            copied_bytes: run.bytes(copied.total()),
            reused_faults: run.reused_faults(),
            by_source: copied,
        },
        loss: Loss::CAUSES
            .iter()
            .map(|cause| (cause.key, (cause.count)(&run.loss)))
            .collect(),
        processes: processes_out(run),
        regions: regions_out(run),
        histogram: HistogramOut {
            range_bytes: run.memory.range_bytes,
            ranges: (histogram == Histogram::Whole)
                .then(|| run.memory.rows.iter().map(range_out).collect()),
        },
        writers: run
            .who_wrote
            .writers
            .iter()
            .map(|it| writer_out(run, it))
            .collect(),
        holders: run
            .who_holds
            .holders
            .iter()
            .map(|it| holder_out(run, it))
            .collect(),
        heap_walks: &run.who_holds.heap_walks,
        growers: growers_out(run),
        unnamed_functions: &run.who_wrote.unnamed_functions,
        stripped_files: &run.who_wrote.stripped_files,
        timeline: &run.memory.timeline,
        balance: balances_out(run),
        grown: &run.growth.grown,
        verdict: verdict_out(run),
        advice: advice_out(run),
        machine: machine_out(run),
    };
    // The output comes in pieces of a few bytes, millions of them for a run with tens of thousands
    // of mappings. They go into a buffer of a known type before they go to `out`.
    let mut pieces = BufWriter::with_capacity(PIECES_BYTES, out);
    serde_json::to_writer_pretty(&mut pieces, &report)?;
    writeln!(pieces)?;
    pieces.flush()
}

fn writer_out<'a>(run: &'a Run, writer: &'a crate::run::Writer) -> WriterOut<'a> {
    let (python, python_end) = run.python_of(writer).unzip();
    let (native, native_end) = run.native_of(writer).unzip();
    WriterOut {
        process_id: None,
        kind: writer.kind,
        type_name: writer.type_name.as_deref(),
        function: writer.function.as_deref(),
        module: writer.module.as_deref(),
        inlined: &writer.inlined,
        python,
        python_end,
        native,
        native_end,
        system_call: writer.system_call,
        system_call_name: run.system_call_of(writer),
        store: writer.store,
        region_id: writer.region_id,
        copied_pages: writer.copied_pages,
    }
}

fn holder_out<'a>(run: &'a Run, holder: &'a Holder) -> HolderOut<'a> {
    let process = run.process(holder.process_id);
    HolderOut {
        process_id: holder.process_id,
        pid: process.map(|process| process.pid),
        comm: process.map(|process| process.comm.as_str()),
        path: &holder.path,
        type_name: holder.type_name.as_deref(),
        entries: holder.entries,
        copied_pages: holder.copied_pages,
        copied_types: holder
            .copied_types
            .iter()
            .map(|of| CopiedTypeOut {
                type_name: &of.type_name,
                copied_pages: of.copied_pages,
            })
            .collect(),
        also_held_by: &holder.also_held_by,
        saving: holder.saving.as_ref(),
    }
}

fn regions_out(run: &Run) -> Vec<RegionOut<'_>> {
    let regions = run.memory.regions.iter();
    regions.map(|region| region_out(run, region)).collect()
}

fn region_out<'a>(run: &Run, region: &'a Region) -> RegionOut<'a> {
    let is_counted = run.memory.is_counted(region.process_id);
    let mapping = &region.mapping;
    RegionOut {
        id: region.id,
        process_id: region.process_id,
        start: format!("{:#x}", mapping.start),
        end: format!("{:#x}", mapping.end),
        name: &mapping.name,
        kind: mapping.kind.name(),
        perms: &mapping.perms,
        size_bytes: mapping.size_bytes(),
        resident_pages: is_counted.then_some(mapping.resident_pages),
        copied_pages: region.copied_pages,
        unshared_fraction: run.memory.unshared_fraction(region),
        inheritors: region.inheritors,
        inherited_pages: is_counted.then_some(region.inherited_pages),
    }
}

fn range_out(row: &Row) -> Range<'_> {
    Range {
        process_id: row.process_id,
        region_id: row.region_id,
        start: row.start.map(|start| format!("{start:#x}")),
        copied_pages: row.copied.total(),
        reused_faults: row.reused_faults,
        mapping: row.mapping.as_deref(),
    }
}
