//! What the machine lost meanwhile, and to whom.

use std::io::{self, Write};

use crate::{
    run::Run,
    terminal::{Grid, Style, indented, section},
    verdict::{growth_of_tree, note_on_machine},
    words::{change_in_size, seconds},
};

/// Writes the section; nothing if the machine was not read.
pub(super) fn write_machine(run: &Run, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(machine) = growth_of_tree(run).and_then(|growth| growth.machine) else {
        return Ok(());
    };
    let title = format!(
        "MEMORY OF THE MACHINE (change from {} to {})",
        seconds(machine.from_ns),
        seconds(machine.to_ns)
    );
    section(&title, style, out)?;
    let mut table = Grid::new(&["change", ""], &[0]);
    for (name, bytes) in machine.parts() {
        let words = match name {
            "service" => "copies and new memory of the traced processes",
            "other-processes" => "other processes",
            "page-cache" => "files that are kept in memory, which can be given back",
            "shared-memory" => "shared memory, and files that are only in memory",
            "kernel" => "the kernel",
            _ => "not explained: buffers of sockets, drivers",
        };
        table.add([change_in_size(bytes)], move |_| words.into());
    }
    table.add([change_in_size(machine.used_bytes)], |_| "in all".into());
    writeln!(out, "{}", table.lines(style))?;
    indented(&note_on_machine(run, &machine), style, out)
}
