//! What is asked of the process that reads foreign files, and what it answers.

use serde::{Deserialize, Serialize};

/// Everything that is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question<'a> {
    /// The process that holds the files.
    pub(super) holder: u32,
    pub(super) parts: std::borrow::Cow<'a, [QuestionPart]>,
}

/// What is asked of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct QuestionPart {
    pub(super) source: PartSource,
    pub(super) places: Vec<CodePlace>,
}

/// Where names come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum PartSource {
    /// A program or a library, of which code is named.
    File(HeldFile),
    /// What processes say of code that they made, the nearest first.
    PerfMaps(Vec<HeldPerfMap>),
    /// A program or a library whose data is mapped at the places: how far does it reach in memory?
    Data(HeldFile),
    /// A program or a library, without places: where does it have symbols of these names?
    Symbols(HeldFile, Vec<String>),
}

impl PartSource {
    /// How many numbers answer a question about this many places; none if names answer it.
    pub(super) const fn numbers(&self, places: usize) -> Option<usize> {
        match self {
            Self::File(_) | Self::PerfMaps(_) => None,
            Self::Data(_) => Some(places),
            Self::Symbols(_, names) => Some(names.len()),
        }
    }
}

/// A file by the holder's descriptor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HeldFile {
    pub(super) descriptor: i32,
    /// The inode it must be: by its name alone it may be another.
    pub(super) inode: Option<u64>,
}

/// As [`HeldFile`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HeldPerfMap {
    /// The process that it is of.
    pub(super) pid: u32,
    pub(super) descriptor: i32,
    /// The user it must belong to, unless to root.
    pub(super) owner: u32,
}

/// A place in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct CodePlace {
    /// In a file its offset, else its address in the process.
    pub(super) at: u64,
    /// Whether a call returns there: the call itself is before it.
    pub(super) is_return: bool,
}

/// A line of the answer. Parts go by their numbers in the question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AnswerLine {
    /// The file that these parts are about is read from now on.
    Begun(Vec<usize>),
    /// What is known of a part's places, in their order.
    Names(usize, Vec<Name>),
    /// What a part asks of data or symbols, in its order.
    Numbers(usize, Vec<Option<u64>>),
    /// Why the perf map at this place of a part's is not used, or not all of it.
    Problem(usize, usize, Problem),
    /// There is no more.
    All,
}

/// What is wrong with a perf map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Problem {
    /// It, or the folder it is in, is a symbolic link.
    Link,
    /// It is no regular file.
    NotRegular,
    /// It belongs to this user, who is neither the process's nor root.
    Owner(u32),
    /// It is root's, and not everybody may read it.
    Closed,
    /// The system does not open or read it: its error number.
    System(i32),
    /// It names no code.
    NoCode,
    /// It is so large that only its end is read.
    EndOnly,
    /// Reading it, or one that was asked about together with it, crashed or took too long.
    Stalled,
}

/// What is known of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) function: Option<String>,
    /// Where one without a name begins, by the offset in its file, and an exported function near it.
    pub(super) begins: Option<(u64, Option<String>)>,
    /// What is inlined into it there, innermost first.
    pub(super) inlined: Vec<String>,
    pub(super) caller: UnwindRule,
}

/// How the caller of a function is found where it is now (DWARF's call frame information).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UnwindRule {
    /// Nothing is known: it is taken to keep frame pointers.
    #[default]
    Unknown,
    /// By its frame pointer.
    ByFrame,
    /// The function has no frame, and returns to where the kernel side found the link to point.
    ByLink,
    /// The function has no frame, but leaves the frame pointer of one outside of it alone.
    Hidden,
    /// What is in the frame pointer's register is none.
    Lost,
    /// There is none.
    Outermost,
}
