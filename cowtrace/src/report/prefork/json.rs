//! JSON in the schema `cowtrace.list/1`: fields may be added, but not renamed or removed. docs/json.md describes it
//! for users.

use std::io::{self, Write};

use serde::Serialize;

use crate::run::{PreforkTree, PreforkTrees};

/// The schema of a list in JSON.
pub const LIST_SCHEMA: &str = "cowtrace.list/1";

#[derive(Serialize)]
struct TreesOut<'a> {
    schema: &'static str,
    tool: ListTool,
    trees: Vec<TreeOut<'a>>,
    left_out_trees: usize,
}

#[derive(Serialize)]
struct ListTool {
    version: &'static str,
}

#[derive(Serialize)]
struct TreeOut<'a> {
    pid: u32,
    comm: &'a str,
    command: Option<&'a str>,
    folder: Option<&'a str>,
    workers: usize,
    unsharable_bytes: Option<u64>,
    unsharable_is: &'static str,
    error_bytes: u64,
    estimated_workers: usize,
    unread_workers: usize,
    trace: String,
}

/// Writes the trees for scripts.
pub fn trees_as_json(found: &PreforkTrees, out: &mut dyn Write) -> io::Result<()> {
    let trees = TreesOut {
        schema: LIST_SCHEMA,
        tool: ListTool {
            version: env!("CARGO_PKG_VERSION"),
        },
        trees: found.trees.iter().map(tree_out).collect(),
        left_out_trees: found.left_out,
    };
    serde_json::to_writer_pretty(&mut *out, &trees)?;
    writeln!(out)
}

fn tree_out(tree: &PreforkTree) -> TreeOut<'_> {
    TreeOut {
        pid: tree.pid,
        comm: &tree.comm,
        command: tree.command_line.as_deref(),
        folder: tree.folder.as_deref(),
        workers: tree.workers,
        unsharable_bytes: tree.unsharable.bytes,
        unsharable_is: tree.unsharable.is.name(),
        error_bytes: tree.unsharable.error_bytes,
        estimated_workers: tree.unsharable.estimated_workers,
        unread_workers: tree.unsharable.unread_workers,
        trace: format!("cowtrace {}", tree.trace_options),
    }
}
