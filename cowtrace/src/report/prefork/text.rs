//! The prefork trees of a machine as a table.

use std::io::{self, Write};

use crate::{
    run::{BalanceIs, PreforkTree, PreforkTrees, Unsharable},
    terminal::{Grid, Style, heading, indented, item, paragraph},
    words::{cut, plural, printable, size},
};

const HEADER: [&str; 4] = [
    "can unshare",
    "workers",
    "pid",
    "command, and what traces it",
];
/// In less, columns, a table has no room for commands.
const LEAST_TABLE: usize = 60;
const NOTHING: &str = "No process here shares 1 MiB or more with one that it was forked from: there is nothing that \
                       copy-on-write could still copy.";
const NOTHING_SEEN: &str = "No process that this user may look at shares 1 MiB or more with one that it was forked \
                            from.";
const COARSE: &str =
    "at most: without CAP_SYS_ADMIN the kernel does not show which pages are the same.";
const UNREAD: &str = "unknown: these processes may not be looked at.";

/// Writes the trees for people. `by_sudo` is the command that does the same as root, where that can show more.
pub fn trees_as_text(
    found: &PreforkTrees,
    by_sudo: Option<&str>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if found.trees.is_empty() {
        let Some(command) = by_sudo else {
            return paragraph(NOTHING, style, out);
        };
        paragraph(NOTHING_SEEN, style, out)?;
        return write_by_sudo(command, style, out);
    }
    let title =
        "PREFORK TREES, by memory that workers still share with the process that they have it from";
    heading(title, style, out)?;
    if style.width < LEAST_TABLE {
        for tree in &found.trees {
            write_tree(found, tree, style, out)?;
        }
    } else {
        write_table(found, style, out)?;
    }
    for note in notes(found) {
        indented(&note, style, out)?;
    }
    match by_sudo.filter(|_| has_hidden_figures(found)) {
        Some(command) => write_by_sudo(command, style, out),
        None => Ok(()),
    }
}

fn write_by_sudo(command: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    indented("As root, cowtrace sees more:", style, out)?;
    writeln!(out, "    {command}")
}

fn write_table(found: &PreforkTrees, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Grid::new(&HEADER, &[0, 1, 2]).dispensable(&[1]);
    for tree in &found.trees {
        let figures = [
            unsharable_in_words(&tree.unsharable),
            tree.workers.to_string(),
            tree.pid.to_string(),
        ];
        let what = what_runs(found, tree);
        table.add(figures, move |room| {
            format!("{}\n  {}", cut(&what, room), command(tree, room - 2))
        });
    }
    writeln!(out, "{}", table.lines(style))
}

/// A tree where a table has no room: the command has a line of its own.
fn write_tree(
    found: &PreforkTrees,
    tree: &PreforkTree,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shares = unsharable_in_words(&tree.unsharable);
    let workers = plural(tree.workers as u64, "worker");
    let head = format!("{shares}, {workers}: {}", what_runs(found, tree));
    // Two lines tell most services apart.
    item(&cut(&head, 2 * style.width - 16), style, out)?;
    writeln!(out, "    {}", command(tree, style.width - 4))
}

/// What a tree runs; where several run the same, with the folder that they work in.
fn what_runs(found: &PreforkTrees, tree: &PreforkTree) -> String {
    let what = |tree: &PreforkTree| {
        tree.command_line
            .as_deref()
            .unwrap_or(&tree.comm)
            .to_owned()
    };
    let own = what(tree);
    let alike = found.trees.iter().filter(|it| what(it) == own).count();
    match &tree.folder {
        Some(folder) if alike > 1 => format!("{} in {}", printable(&own), printable(folder)),
        _ => printable(&own),
    }
}

fn unsharable_in_words(unsharable: &Unsharable) -> String {
    match (unsharable.bytes, unsharable.is) {
        (None, _) => "unknown".into(),
        (Some(bytes), BalanceIs::Sampled) => format!("~{}", size(bytes)),
        (Some(bytes), BalanceIs::Coarse) => format!("at most {}", size(bytes)),
        (Some(bytes), BalanceIs::Exact | BalanceIs::Unknown) => size(bytes),
    }
}

/// The command that traces it, which is never cut: where there is no room, it is a shorter one.
fn command(tree: &PreforkTree, room: usize) -> String {
    let command = format!("cowtrace {}", tree.trace_options);
    if command.len() <= room {
        command
    } else {
        format!("cowtrace --pid {}", tree.pid)
    }
}

/// Whether rights were missing for some of the figures.
fn has_hidden_figures(found: &PreforkTrees) -> bool {
    let is_hidden =
        |tree: &PreforkTree| matches!(tree.unsharable.is, BalanceIs::Coarse | BalanceIs::Unknown);
    found.trees.iter().any(is_hidden)
}

/// What the figures leave out.
fn notes(found: &PreforkTrees) -> Vec<String> {
    let is = |is: BalanceIs| found.trees.iter().any(|tree| tree.unsharable.is == is);
    let mut notes = Vec::new();
    if is(BalanceIs::Sampled) {
        let of_tree = |tree: &PreforkTree| {
            let bytes = tree.unsharable.bytes.filter(|bytes| *bytes > 0)?;
            Some(tree.unsharable.error_bytes as f64 / bytes as f64)
        };
        let worst = found.trees.iter().filter_map(of_tree).fold(0.0, f64::max);
        let percent = (worst.min(1.0) * 100.0).ceil();
        notes.push(format!(
            "~: by a sample, within {percent} % or less in 19 of 20 cases."
        ));
    }
    if is(BalanceIs::Coarse) {
        notes.push(COARSE.into());
    }
    let partly = found
        .trees
        .iter()
        .filter(|tree| tree.unsharable.bytes.is_some());
    let unread: usize = partly.map(|tree| tree.unsharable.unread_workers).sum();
    if unread > 0 {
        let workers = plural(unread as u64, "worker");
        notes.push(format!(
            "{workers} could not be looked at and do not count."
        ));
    }
    if is(BalanceIs::Unknown) {
        notes.push(UNREAD.into());
    }
    if found.left_out > 0 {
        let trees = plural(found.left_out as u64, "smaller tree");
        notes.push(format!("{trees} left out."));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(pid: u32, bytes: Option<u64>, is: BalanceIs, command: &str) -> PreforkTree {
        PreforkTree {
            pid,
            comm: "web".into(),
            command_line: Some(command.into()),
            folder: Some(format!("/srv/{pid}")),
            workers: 8,
            unsharable: Unsharable {
                bytes,
                is,
                error_bytes: bytes.unwrap_or(0) / 50,
                ..Unsharable::default()
            },
            trace_options: format!("--pid {pid}"),
        }
    }

    fn shown(found: &PreforkTrees, width: usize) -> String {
        let mut out = Vec::new();
        let style = Style {
            width,
            color: false,
        };
        trees_as_text(found, None, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_command_that_shows_more_is_on_a_line_of_its_own_where_figures_are_missing() {
        let with = |is| {
            let found = PreforkTrees {
                trees: vec![
                    tree(7, Some(3 << 20), BalanceIs::Exact, "a"),
                    tree(8, None, is, "b"),
                ],
                left_out: 0,
            };
            let mut out = Vec::new();
            let style = Style {
                width: 40,
                color: false,
            };
            let command = "sudo /home/ada/.local/share/programs/cowtrace list";
            trees_as_text(&found, Some(command), style, &mut out).unwrap();
            String::from_utf8(out)
                .unwrap()
                .ends_with(&format!("\n    {command}\n"))
        };
        assert!(with(BalanceIs::Unknown) && with(BalanceIs::Coarse));
        assert!(!with(BalanceIs::Exact) && !with(BalanceIs::Sampled));
        let mut out = Vec::new();
        let style = Style {
            width: 80,
            color: false,
        };
        let command = "sudo cowtrace list";
        trees_as_text(&PreforkTrees::default(), Some(command), style, &mut out).unwrap();
        let nothing = String::from_utf8(out).unwrap();
        assert!(nothing.contains("that this user may look at"), "{nothing}");
        assert!(nothing.ends_with("\n    sudo cowtrace list\n"), "{nothing}");
    }

    #[test]
    fn trees_fit_the_terminal_and_say_what_is_not_known() {
        let mut long = tree(17, Some(3 << 20), BalanceIs::Exact, "c");
        long.trace_options = format!("--unit {}.service", "x".repeat(200));
        let found = PreforkTrees {
            trees: vec![
                tree(
                    4242,
                    Some(2 << 30),
                    BalanceIs::Sampled,
                    &"gunicorn: master [shop] ".repeat(9),
                ),
                tree(1, Some(5 << 20), BalanceIs::Coarse, "evil\x1b[2J\nname"),
                long,
                tree(99, None, BalanceIs::Unknown, "other"),
            ],
            left_out: 1,
        };
        for width in [40, 60, 80, 200] {
            let text = shown(&found, width);
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{text}"
            );
            assert!(!text.contains('\x1b'), "{text}");
            assert!(text.contains("cowtrace --pid 4242\n"), "{text}");
        }
        let text = shown(&found, 80);
        for part in [
            "~2 GiB        8  4242  gunicorn: master",
            "at most 5 MiB",
            "cowtrace --pid 17\n",
            "unknown        8    99  other",
            "within 2 % or less",
            "1 smaller tree left out",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let twins = PreforkTrees {
            trees: vec![
                tree(7, Some(3 << 20), BalanceIs::Exact, "python3 -c"),
                tree(8, Some(2 << 20), BalanceIs::Exact, "python3 -c"),
            ],
            left_out: 0,
        };
        for width in [40, 80] {
            let text = shown(&twins, width);
            let text: Vec<&str> = text.split_whitespace().collect();
            let text = text.join(" ");
            for folder in ["python3 -c in /srv/7", "python3 -c in /srv/8"] {
                assert!(text.contains(folder), "{text}");
            }
        }
        let none = shown(&PreforkTrees::default(), 80);
        assert!(none.contains("nothing that"), "{none}");
    }
}
