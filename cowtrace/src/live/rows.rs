//! The tables: which there are, and what stands in them. Their columns are those of the report.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap};

use crate::{
    report::columns::{
        Cell, Column, HOLDERS, HolderRow, Holds, MAPPINGS, MappingRow, PROCESSES, ProcessRows,
        WRITERS, WriterCells,
    },
    run::{Run, Writer},
    verdict::{HeldPages, KnownPages, pages_by},
    words::{Lines, printable, seconds, size, written},
};

/// The table that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Workers,
    Mappings,
    Wrote,
    Lines,
    Variables,
}

impl Table {
    pub(super) const ALL: [Self; 5] = [
        Self::Workers,
        Self::Mappings,
        Self::Wrote,
        Self::Lines,
        Self::Variables,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Mappings => "mappings",
            Self::Wrote => "who wrote",
            Self::Lines => "lines",
            Self::Variables => "variables",
        }
    }

    /// Its place among all.
    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

/// What a row is about; it stays selected when the figures change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A process, by its serial number.
    Process(u32),
    /// A region, likewise.
    Region(u32),
    /// What has no number.
    Name(String),
}

/// A row, not yet in words: of ten thousand, a screen shows some.
pub(super) struct LiveRow {
    pub(super) about: About,
    pub(super) figures: Vec<Cell>,
    pub(super) subject: String,
}

/// A table's rows, and its columns: titles with what they hold.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) titles: Vec<(&'static str, Holds)>,
    /// The title of what rows are about.
    pub(super) subject: Cow<'static, str>,
    pub(super) all: Vec<LiveRow>,
    /// Why there are none.
    pub(super) why_none: &'static str,
}

impl Rows {
    /// The rows of a run.
    pub(super) fn of(table: Table, run: &Run) -> Self {
        match table {
            Table::Workers => processes(run),
            Table::Mappings => mappings(run),
            Table::Wrote => writers(run, "written", |it| written(run, it), |_| true),
            Table::Lines => {
                let lines = Lines::of(run);
                let has_line = |it: &Writer| it.python_stack.is_some();
                writers(run, "Python line", |it| lines.of_writer(it), has_line)
            }
            Table::Variables => variables(run),
        }
    }

    fn new<R>(columns: &[&Column<R>], subject: &'static str, why_none: &'static str) -> Self {
        let titles = columns.iter().map(|column| (column.title, column.holds));
        Self {
            titles: titles.collect(),
            subject: subject.into(),
            all: Vec::new(),
            why_none,
        }
    }

    fn add<R>(&mut self, columns: &[&Column<R>], row: &R, about: About, subject: String) {
        self.all.push(LiveRow {
            about,
            figures: columns.iter().map(|column| (column.cell)(row)).collect(),
            subject,
        });
    }

    /// Leaves those whose subject or words contain a text, whatever the case of its letters.
    pub(super) fn filter(&mut self, text: &str) {
        let text = text.to_lowercase();
        self.all.retain(|row| {
            let words = row.figures.iter().filter_map(|cell| match cell {
                Cell::Words(words) => Some(words.to_lowercase()),
                Cell::Number(number) => Some(number.to_string()),
                Cell::Empty | Cell::Part(_) => None,
            });
            let mut all = words.chain([row.subject.to_lowercase()]);
            all.any(|words| words.contains(&text))
        });
    }

    /// Sorts by a column, the largest first; the column after the last is the subject, from a to z. Equal ones stay
    /// as they are.
    pub(super) fn sort(&mut self, column: usize, is_inverted: bool) {
        let order = |one: &LiveRow, other: &LiveRow| match (
            one.figures.get(column),
            other.figures.get(column),
        ) {
            (Some(one), Some(other)) => compare(other, one),
            _ => one.subject.cmp(&other.subject),
        };
        self.all.sort_by(|one, other| {
            let order = order(one, other);
            if is_inverted { order.reverse() } else { order }
        });
    }
}

fn compare(one: &Cell, other: &Cell) -> Ordering {
    let rank = |cell: &Cell| match cell {
        Cell::Empty => 0,
        Cell::Number(_) | Cell::Part(_) => 1,
        Cell::Words(_) => 2,
    };
    match (one, other) {
        (Cell::Number(one), Cell::Number(other)) => one.cmp(other),
        (Cell::Part(one), Cell::Part(other)) => one.total_cmp(other),
        (Cell::Words(one), Cell::Words(other)) => other.cmp(one),
        _ => rank(one).cmp(&rank(other)),
    }
}

/// The figures that text shows, each title once: a second one is a shorter form of the first.
fn figures<R>(columns: &[Column<R>]) -> Vec<&Column<R>> {
    let mut shown: Vec<&Column<R>> = Vec::new();
    for column in columns.iter().filter(|it| it.is_figure_of_text()) {
        if shown.iter().all(|before| before.title != column.title) {
            shown.push(column);
        }
    }
    shown
}

fn processes(run: &Run) -> Rows {
    let columns = figures(&PROCESSES);
    let made = ProcessRows::of(run);
    let mut rows = Rows::new(&columns, "process", "no process is traced");
    for process in &run.memory.processes {
        let row = made.row(process);
        let subject = row.name.clone();
        rows.add(&columns, &row, About::Process(process.id), subject);
    }
    rows
}

fn mappings(run: &Run) -> Rows {
    let columns = figures(&MAPPINGS);
    let mut rows = Rows::new(&columns, "mapping", "nothing was copied yet");
    for region in run.regions_by_copies() {
        let row = MappingRow::of(run, region);
        let subject = row.name.clone();
        rows.add(&columns, &row, About::Region(region.id), subject);
    }
    rows
}

fn writers(
    run: &Run,
    subject: &'static str,
    name: impl Fn(&Writer) -> String,
    is_wanted: impl Fn(&Writer) -> bool,
) -> Rows {
    let columns = figures(&WRITERS);
    let mut rows = Rows::new(&columns, subject, "nothing is known yet");
    let known = KnownPages::of(run).recorded.max(1) as f64;
    let wanted = run.who_wrote.writers.iter().filter(|it| is_wanted(it));
    for (name, pages) in pages_by(wanted, name) {
        let row = WriterCells::of(run, pages, pages as f64 / known);
        let subject = printable(&name);
        rows.add(&columns, &row, About::Name(name), subject);
    }
    rows
}

/// The region to which most was written by a writer or from a line; or in which most objects were written whose types
/// a variable holds. `None` if it is not known.
pub(super) fn region_of_name(table: Table, run: &Run, name: &str) -> Option<u32> {
    match table {
        Table::Wrote => most_written(run, |it| written(run, it) == name),
        Table::Lines => {
            let lines = Lines::of(run);
            most_written(run, |it| {
                it.python_stack.is_some() && lines.of_writer(it) == name
            })
        }
        Table::Variables => {
            let holder = run.who_holds.holders.iter().find(|it| it.path == name)?;
            let types = &holder.copied_types;
            most_written(run, |it| {
                let of = |name: &String| types.iter().any(|it| it.type_name == *name);
                it.type_name.as_ref().is_some_and(of)
            })
        }
        Table::Workers | Table::Mappings => None,
    }
}

fn most_written(run: &Run, is_wanted: impl Fn(&Writer) -> bool) -> Option<u32> {
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for writer in run.who_wrote.writers.iter().filter(|it| is_wanted(it)) {
        if let Some(region) = writer.region_id {
            *sums.entry(region).or_default() += writer.copied_pages;
        }
    }
    let most = sums.into_iter().max_by_key(|(_, pages)| *pages)?;
    Some(most.0)
}

fn variables(run: &Run) -> Rows {
    let columns = figures(&HOLDERS);
    let why_none = "no variable yet: they are looked for from 4 MiB of copies of Python objects on, and at the end";
    let mut rows = Rows::new(&columns, "variable", why_none);
    let Some(held) = HeldPages::of(run) else {
        return rows;
    };
    rows.why_none = "no variable was found";
    rows.subject = with_lookup(run, &held);
    for holder in &run.who_holds.holders {
        let row = HolderRow::of(run, &held, holder);
        let subject = printable(&holder.path);
        rows.add(&columns, &row, About::Name(holder.path.clone()), subject);
    }
    rows
}

/// The title of variables: what was copied since they were looked for last is under none of them yet.
fn with_lookup(run: &Run, held: &HeldPages) -> Cow<'static, str> {
    let walks = &run.who_holds.heap_walks;
    let asked: u64 = walks.iter().map(|walk| walk.asked_pages).sum();
    let last = walks.iter().filter_map(|walk| walk.at_ns).max();
    match last {
        Some(at_ns) if asked < held.all => {
            let looked_up = size(run.bytes(asked));
            format!("variable, of {looked_up} until {}", seconds(at_ns)).into()
        }
        _ => "variable".into(),
    }
}
