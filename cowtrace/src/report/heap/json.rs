//! JSON in the schema `cowtrace.heap/1`: fields may be added, but not renamed or removed.
//! docs/json.md describes it for users.

use std::io::{self, Write};

use serde::Serialize;

use crate::run::{
    HeapChange, HeapContents, HeapGrowth, HeapSum, TypeContents, UnheldObjects, UnreadContainer,
    VariableContents,
};

/// The schema of the objects of a process in JSON.
pub const HEAP_SCHEMA: &str = "cowtrace.heap/1";

#[derive(Serialize)]
struct HeapOut<'a> {
    schema: &'static str,
    tool: HeapTool,
    process: HeapProcess<'a>,
    at_ns: u64,
    objects: u64,
    bytes: u64,
    is_partial: bool,
    limits: Vec<&'static str>,
    unread: Vec<UnreadOut<'a>>,
    types: Vec<TypeOut<'a>>,
    variables: Vec<VariableOut<'a>>,
    smaller_variables: SumOut,
    interpreter_alone: SumOut,
    unheld: Option<UnheldOut<'a>>,
    unheld_unknown: Option<&'static str>,
    collector_is_on: Option<bool>,
    swapped_bytes: u64,
    bytes_read: u64,
    duration_ns: u64,
    since: Option<SinceOut<'a>>,
}

#[derive(Serialize)]
struct HeapTool {
    version: &'static str,
}

#[derive(Serialize)]
struct HeapProcess<'a> {
    pid: u32,
    comm: &'a str,
    started_ticks: u64,
    python: String,
}

#[derive(Serialize)]
struct SumOut {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct TypeOut<'a> {
    #[serde(rename = "type")]
    type_name: &'a str,
    objects: u64,
    bytes: u64,
    share: f64,
    cumulative_share: f64,
    largest_bytes: u64,
}

#[derive(Serialize)]
struct VariableOut<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    entries: Option<u64>,
    objects: u64,
    bytes: u64,
    share: f64,
    aliases: &'a [String],
}

/// A container whose entries could not be read.
#[derive(Serialize)]
struct UnreadOut<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    entries: u64,
    is_gone: bool,
}

#[derive(Serialize)]
struct UnheldOut<'a> {
    objects: u64,
    bytes: u64,
    is_partial: bool,
    types: Vec<TypeOut<'a>>,
}

/// What it grew by since an earlier look; numbers below 0 are what was freed.
#[derive(Serialize)]
struct SinceOut<'a> {
    elapsed_ns: u64,
    #[serde(flatten)]
    all: ChangeOut,
    was_partial: bool,
    types: Vec<TypeChangeOut<'a>>,
    variables: Vec<VariableChangeOut<'a>>,
}

#[derive(Serialize)]
struct ChangeOut {
    objects: i64,
    bytes: i64,
}

#[derive(Serialize)]
struct TypeChangeOut<'a> {
    #[serde(rename = "type")]
    type_name: &'a str,
    #[serde(flatten)]
    change: ChangeOut,
}

#[derive(Serialize)]
struct VariableChangeOut<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    entries: Option<i64>,
    #[serde(flatten)]
    change: ChangeOut,
    is_in_both: bool,
}

/// Writes the objects of a process as JSON, with what they grew by if that is known.
pub fn heap_as_json(
    contents: &HeapContents,
    since: Option<&HeapGrowth>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (major, minor) = contents.python;
    let unheld = contents.unheld.as_ref();
    let found = HeapOut {
        schema: HEAP_SCHEMA,
        tool: HeapTool {
            version: env!("CARGO_PKG_VERSION"),
        },
        process: HeapProcess {
            pid: contents.pid,
            comm: &contents.comm,
            started_ticks: contents.started_ticks,
            python: format!("{major}.{minor}"),
        },
        at_ns: contents.at_ns,
        objects: contents.all.objects,
        bytes: contents.all.bytes,
        is_partial: !contents.limits.is_empty(),
        limits: contents.limits.iter().map(|it| it.key()).collect(),
        unread: contents.unread.iter().map(unread_out).collect(),
        types: types_out(&contents.types, contents.all),
        variables: contents
            .variables
            .iter()
            .map(|variable| variable_out(variable, contents.all))
            .collect(),
        smaller_variables: contents.smaller_variables.into(),
        interpreter_alone: contents.interpreter_alone.into(),
        unheld: unheld.ok().map(unheld_out),
        unheld_unknown: unheld.err().map(|why| why.key()),
        collector_is_on: contents.collects,
        swapped_bytes: contents.swapped_bytes,
        bytes_read: contents.bytes_read,
        duration_ns: contents.duration_ns,
        since: since.map(since_out),
    };
    let mut pieces = io::BufWriter::new(out);
    serde_json::to_writer_pretty(&mut pieces, &found)?;
    writeln!(pieces)?;
    pieces.flush()
}

impl From<HeapChange> for ChangeOut {
    fn from(change: HeapChange) -> Self {
        Self {
            objects: change.objects,
            bytes: change.bytes,
        }
    }
}

fn since_out(growth: &HeapGrowth) -> SinceOut<'_> {
    let types = growth.types.iter().map(|(name, change)| TypeChangeOut {
        type_name: name,
        change: (*change).into(),
    });
    let variables = growth.variables.iter().map(|it| VariableChangeOut {
        path: &it.path,
        type_name: it.type_name.as_deref(),
        entries: it.entries,
        change: it.change.into(),
        is_in_both: it.is_in_both,
    });
    SinceOut {
        elapsed_ns: growth.elapsed_ns,
        all: growth.all.into(),
        was_partial: growth.was_partial,
        types: types.collect(),
        variables: variables.collect(),
    }
}

impl From<HeapSum> for SumOut {
    fn from(sum: HeapSum) -> Self {
        Self {
            objects: sum.objects,
            bytes: sum.bytes,
        }
    }
}

fn types_out(types: &[TypeContents], all: HeapSum) -> Vec<TypeOut<'_>> {
    let mut so_far = HeapSum::default();
    let types = types.iter().map(|found| {
        so_far.add(found.sum);
        TypeOut {
            type_name: &found.name,
            objects: found.sum.objects,
            bytes: found.sum.bytes,
            share: found.sum.share_of(all),
            cumulative_share: so_far.share_of(all),
            largest_bytes: found.largest_bytes,
        }
    });
    types.collect()
}

fn variable_out(variable: &VariableContents, all: HeapSum) -> VariableOut<'_> {
    VariableOut {
        path: &variable.path,
        type_name: variable.type_name.as_deref(),
        entries: variable.entries,
        objects: variable.sum.objects,
        bytes: variable.sum.bytes,
        share: variable.sum.share_of(all),
        aliases: &variable.aliases,
    }
}

fn unread_out(unread: &UnreadContainer) -> UnreadOut<'_> {
    UnreadOut {
        path: &unread.path,
        type_name: unread.type_name.as_deref(),
        entries: unread.entries,
        is_gone: unread.is_gone,
    }
}

fn unheld_out(unheld: &UnheldObjects) -> UnheldOut<'_> {
    UnheldOut {
        objects: unheld.sum.objects,
        bytes: unheld.sum.bytes,
        is_partial: unheld.is_partial,
        types: types_out(&unheld.types, unheld.sum),
    }
}
