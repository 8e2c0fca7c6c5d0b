//! Stacks that wrote, one per line with its pages: the input of flame graph tools.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use crate::{
    run::Run,
    words::{Lines, stacks},
};

/// Writes each distinct stack in a line: calls from the outermost to the one that wrote, what was
/// written in brackets, and the pages copied. The pages add up to all copies.
pub fn run_as_folded_stacks(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let lines = Lines::of(run);
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for stack in stacks(run) {
        let names = stack.names(&lines).into_iter().map(|name| escaped(&name));
        let line = names.collect::<Vec<_>>().join(";");
        *sums.entry(line).or_default() += stack.pages;
    }
    for (line, pages) in sums.iter().filter(|(_, pages)| **pages > 0) {
        writeln!(out, "{line} {pages}")?;
    }
    Ok(())
}

/// An escaped name without the separator of names.
fn escaped(name: &str) -> String {
    name.replace(';', "\\u{3b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_in_a_name_parts_nothing() {
        assert_eq!(escaped("a;b"), "a\\u{3b}b");
    }
}
