//! What was copied: which variables hold it, where it was written, and why.

use crate::{
    run::{Holder, Run, WriteKind, Writer},
    verdict::{
        causes::{CauseIs, cause_of, shares_of_causes},
        free_memory::FreePages,
        growth::TreeGrowth,
        holders::{HeldPages, owner_among_alike},
        writers::{KnownPages, pages, pages_by, tells_what_was_written},
    },
    words::{
        FREE_MEMORY, Lines, NO_LINE, OTHER_MEMORY, cause_of_write, printable, shorten,
        type_and_entries, written,
    },
};

/// Variables with a smaller share of the copies are not named.
const VARIABLE_SHARE: f64 = 0.1;
const MOST_VARIABLES: usize = 3;
/// A line with a smaller share is named only if no function has a larger one.
const LINE_SHARE: f64 = 0.25;
/// Causes with a smaller share are not named.
const CAUSE_SHARE: f64 = 0.1;
const MOST_CAUSES: usize = 2;
/// Sums of shares may differ by this.
const ROUNDING: f64 = 1e-9;
/// Types with a smaller share are not named.
const TYPE_SHARE: f64 = 0.01;
const MOST_TYPES: usize = 3;
/// Fewer copies beside a verdict are not the story, bytes.
const FEW_BYTES: u64 = 1 << 20;
/// Longer names of types are cut.
const MAX_TYPE: usize = 32;

/// What was copied.
pub(crate) struct CopiesOnCard {
    /// Whether they are so few beside a verdict that the first lines have all that is worth a word.
    pub(crate) are_few: bool,
    /// Copies of the processes that lived at the end, bytes; all copies if that is not known.
    pub(crate) bytes: u64,
    /// All copies, which the shares below are of, bytes.
    pub(crate) in_all_bytes: u64,
    /// Their share of what memory grew by; `None` if that is not known.
    pub(crate) share_of_growth: Option<f64>,
    /// Variables that hold most of it, most first.
    pub(crate) variables: Vec<CardVariable>,
    /// The Python line, or else the function, that wrote most, and its share of the copies whose writer is
    /// known; `None` if none is known.
    pub(crate) place: Option<(String, f64)>,
    /// Kinds of write, most first.
    pub(crate) causes: Vec<CardCause>,
}

/// A variable that holds what was copied.
pub(crate) struct CardVariable {
    /// Escaped, with its process if another one has a variable of that name.
    pub(crate) path: String,
    /// Its type and entries; `None` if the type is not known.
    pub(crate) what: Option<String>,
    /// Of all copies.
    pub(crate) share: f64,
    /// Whether it may hold more.
    pub(crate) is_lower_bound: bool,
    pub(crate) bytes: u64,
}

/// A cause of copies.
pub(crate) struct CardCause {
    pub(crate) is: CauseIs,
    /// Of the copies whose writer is known.
    pub(crate) share: f64,
    /// What was written, escaped, most first, with shares of the same.
    pub(crate) written: Vec<(String, f64)>,
}

impl CopiesOnCard {
    /// `None` if nothing was copied.
    pub(super) fn of(run: &Run, growth: Option<&TreeGrowth>) -> Option<Self> {
        let copied = run.copied().total();
        (copied > 0).then(|| Self {
            are_few: growth.is_some() && run.bytes(copied) < FEW_BYTES,
            bytes: growth.map_or_else(|| run.bytes(copied), |growth| growth.held_bytes),
            in_all_bytes: run.bytes(copied),
            share_of_growth: growth.map(TreeGrowth::copied_share),
            variables: main_variables(run),
            place: main_place(run),
            causes: main_causes(run),
        })
    }
}

fn main_variables(run: &Run) -> Vec<CardVariable> {
    let Some(held) = HeldPages::of(run) else {
        return Vec::new();
    };
    let is_lower_bound = held.is_lower_bound(run);
    let variable = |holder: &Holder| CardVariable {
        path: format!(
            "{}{}",
            printable(&holder.path),
            owner_among_alike(run, holder)
        ),
        what: holder.type_name.is_some().then(|| type_and_entries(holder)),
        share: held.share(holder.copied_pages),
        is_lower_bound,
        bytes: run.bytes(holder.copied_pages),
    };
    let holders = run.who_holds.holders.iter().map(variable);
    let mut all: Vec<CardVariable> = holders.chain(free_memory(run)).collect();
    all.retain(|variable| variable.share >= VARIABLE_SHARE);
    all.sort_by(|one, other| other.share.total_cmp(&one.share));
    all.truncate(MOST_VARIABLES);
    all
}

/// What no variable holds because it was free, as if a variable held it.
fn free_memory(run: &Run) -> Option<CardVariable> {
    let free = FreePages::of(run)?;
    Some(CardVariable {
        path: FREE_MEMORY.into(),
        what: Some(free.allocators()),
        share: free.share,
        is_lower_bound: false,
        bytes: run.bytes(free.pages()),
    })
}

fn main_place(run: &Run) -> Option<(String, f64)> {
    let writers = &run.who_wrote.writers;
    let known = pages(writers).max(1) as f64;
    let most = |sums: Vec<(String, u64)>| {
        let first = sums.into_iter().next();
        first.map(|(name, pages)| (printable(&name), pages as f64 / known))
    };
    let lines = Lines::of(run);
    let has_line = |writer: &&Writer| writer.python_stack.is_some();
    let mut by_line = pages_by(writers.iter().filter(has_line), |it| lines.of_writer(it));
    by_line.retain(|(name, _)| name != NO_LINE);
    // That the interpreter wrote while it ran a line says nothing.
    let has_function =
        |writer: &&Writer| writer.function.is_some() && writer.python_stack.is_none();
    let by_function = pages_by(writers.iter().filter(has_function), |it| {
        cause_of_write(run, it)
    });
    let (line, function) = (most(by_line), most(by_function));
    match (&line, &function) {
        (Some((_, of_line)), Some((_, of_function)))
            if *of_line < LINE_SHARE && of_line < of_function =>
        {
            function
        }
        (Some(_), _) => line,
        (None, _) => function,
    }
}

/// Empty where nothing is known but that the program wrote.
fn main_causes(run: &Run) -> Vec<CardCause> {
    if !tells_what_was_written(run) {
        return Vec::new();
    }
    let known = KnownPages::of(run).recorded;
    let mut causes = shares_of_causes(run);
    causes.retain(|(_, share)| *share >= CAUSE_SHARE);
    causes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    causes.truncate(MOST_CAUSES);
    let cause = |(is, share): (CauseIs, f64)| {
        let mut written = match is {
            CauseIs::NewObjects => Vec::new(),
            _ => main_types(run, is, known),
        };
        // Types are known of all writes of a kind: with those of new objects, which are set apart here.
        let all: f64 = written.iter().map(|(_, share)| share).sum();
        if all > share + ROUNDING {
            written.clear();
        }
        CardCause { is, share, written }
    };
    causes.into_iter().map(cause).collect()
}

/// What was written most for a cause, as shares of the `known` copies, those whose writer is known.
fn main_types(run: &Run, is: CauseIs, known: u64) -> Vec<(String, f64)> {
    let writers = run.who_wrote.writers.iter();
    let of_cause = writers.filter(|it| cause_of(it) == is);
    pages_by(of_cause, |writer| name_of_written(run, writer))
        .into_iter()
        .map(|(name, pages)| (name, pages as f64 / known.max(1) as f64))
        .filter(|(name, share)| *share >= TYPE_SHARE && !name.is_empty())
        .take(MOST_TYPES)
        .collect()
}

/// The type, the system call, or what else; empty if it has no name.
fn name_of_written(run: &Run, writer: &Writer) -> String {
    let name = match writer.kind {
        _ if writer.type_name.is_some() => writer.type_name.clone(),
        WriteKind::Refcount | WriteKind::Gc => None,
        WriteKind::Kernel => run.system_call_of(writer).map(|name| format!("{name}(2)")),
        WriteKind::Other => Some(written(run, writer)).filter(|name| name != OTHER_MEMORY),
    };
    shorten(&printable(&name.unwrap_or_default()), MAX_TYPE)
}
