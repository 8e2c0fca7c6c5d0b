//! JSON in the schema `cowtrace.heap/1`: fields may be added, but not renamed or removed.
//! docs/json.md describes it for users.

use std::io::{self, Write};

use serde::Serialize;

use crate::run::{HeapContents, HeapLimit, HeapSum, TypeContents, UnheldObjects, VariableContents};

const SCHEMA: &str = "cowtrace.heap/1";

#[derive(Serialize)]
struct HeapOut<'a> {
    schema: &'static str,
    tool: HeapTool,
    process: HeapProcess<'a>,
    objects: u64,
    bytes: u64,
    is_partial: bool,
    limits: Vec<&'static str>,
    types: Vec<TypeOut<'a>>,
    variables: Vec<VariableOut<'a>>,
    smaller_variables: SumOut,
    interpreter_alone: SumOut,
    unheld: Option<UnheldOut<'a>>,
    unheld_unknown: Option<&'static str>,
    swapped_bytes: u64,
    bytes_read: u64,
    duration_ns: u64,
}

#[derive(Serialize)]
struct HeapTool {
    version: &'static str,
}

#[derive(Serialize)]
struct HeapProcess<'a> {
    pid: u32,
    comm: &'a str,
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

#[derive(Serialize)]
struct UnheldOut<'a> {
    objects: u64,
    bytes: u64,
    is_partial: bool,
    types: Vec<TypeOut<'a>>,
}

/// Writes the objects of a process as JSON.
pub fn heap_as_json(contents: &HeapContents, out: &mut dyn Write) -> io::Result<()> {
    let (major, minor) = contents.python;
    let unheld = contents.unheld.as_ref();
    let found = HeapOut {
        schema: SCHEMA,
        tool: HeapTool {
            version: env!("CARGO_PKG_VERSION"),
        },
        process: HeapProcess {
            pid: contents.pid,
            comm: &contents.comm,
            python: format!("{major}.{minor}"),
        },
        objects: contents.all.objects,
        bytes: contents.all.bytes,
        is_partial: !contents.limits.is_empty(),
        limits: contents
            .limits
            .iter()
            .map(|limit| HeapLimit::key(*limit))
            .collect(),
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
        swapped_bytes: contents.swapped_bytes,
        bytes_read: contents.bytes_read,
        duration_ns: contents.duration_ns,
    };
    let mut pieces = io::BufWriter::new(out);
    serde_json::to_writer_pretty(&mut pieces, &found)?;
    writeln!(pieces)?;
    pieces.flush()
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

fn unheld_out(unheld: &UnheldObjects) -> UnheldOut<'_> {
    UnheldOut {
        objects: unheld.sum.objects,
        bytes: unheld.sum.bytes,
        is_partial: unheld.is_partial,
        types: types_out(&unheld.types, unheld.sum),
    }
}
